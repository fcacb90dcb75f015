%% `echo` gives every kind of term back as it was: the codec, the frames and the atom cache, both ways.
-module(echo_suite).
-export([all/0, integers/1, bignums/1, floats/1, atoms/1, long_atoms/1, more_atoms_than_one_header_holds/1, more_atoms_than_the_cache_holds/1,
         binaries/1, bitstrings/1, strings_at_their_limits/1, lists/1, improper_lists/1, tuples/1, maps/1, external_funs/1,
         closures/1, local_pids/1, foreign_identifiers/1, ports/1, references/1, alias_references/1, deep_nests/1,
         five_megabytes/1, native_records/1, random_terms/1, many_in_order/1, large_and_small_interleaved/1,
         to_another_process/1, from_many_processes/1, through_every_kind_of_address/1]).
-include("check.hrl").

all() ->
    [integers, bignums, floats, atoms, long_atoms, more_atoms_than_one_header_holds, more_atoms_than_the_cache_holds, binaries,
     bitstrings, strings_at_their_limits, lists, improper_lists, tuples, maps, external_funs, closures, local_pids,
     foreign_identifiers, ports, references, alias_references, deep_nests, five_megabytes, native_records, random_terms,
     many_in_order, large_and_small_interleaved, to_another_process, from_many_processes, through_every_kind_of_address].

echo(Config, Term) ->
    {echo, check:node_of(Config)} ! {self(), Term},
    receive {echo, Back} -> Back
    after 15000 -> check:fail(?LINE, "no echo of ~ts", [string:slice(io_lib:format("~0tp", [Term]), 0, 300)])
    end.

same(Config, Terms) ->
    lists:foreach(fun(T) -> same_one(T, echo(Config, T)) end, Terms),
    same_one(Terms, echo(Config, Terms)).

%% `=:=` does not tell 0.0 from -0.0 before OTP 27, the encoding does.
same_one(Sent, Back) ->
    Sent =:= Back orelse
        check:fail(?LINE, "sent ~ts, got ~ts", [string:slice(io_lib:format("~0tp", [T]), 0, 400) || T <- [Sent, Back]]),
    ok.

integers(Config) ->
    same(Config, lists:usort([S * ((1 bsl B) + D) || B <- [0, 7, 8, 15, 16, 27, 28, 31, 32, 59, 60, 62, 63, 64], D <- [-1, 0, 1], S <- [1, -1]])).

%% SMALL_BIG_EXT ends at 255 bytes, LARGE_BIG_EXT begins at 256.
bignums(Config) ->
    same(Config, [S * ((1 bsl B) + D) || B <- [65, 128, 2032, 2040, 2048, 2056, 65536, 200000], D <- [-1, 0, 1], S <- [1, -1]]).

floats(Config) ->
    Floats = [0.0, 1.0, -1.0, 0.1, 3.141592653589793, 1.0e300, -1.0e-300, 1.7976931348623157e308, 2.2250738585072014e-308,
              5.0e-324, -5.0e-324, 9007199254740993.0],
    same(Config, Floats),
    ?eq(<<1:1, 0:63>>, <<(echo(Config, -0.0))/float>>),
    [?eq(<<F/float>>, <<(echo(Config, F))/float>>) || F <- Floats].

atoms(Config) ->
    same(Config, ['', a, true, false, undefined, nil, 'hello world', 'Upper', 'don\'t', '\n', 'é', 'ÿ', 'å∀', '日本語', '😀', 'a@b', 'Elixir.Enum']).

long_atoms(Config) ->
    same(Config, [list_to_atom(lists:duplicate(N, C)) || N <- [63, 64, 127, 128, 254, 255], C <- [$x, $é, $∀, $😀]]).

%% A distribution header refers to at most 255 atoms; the others are spelled out.
more_atoms_than_one_header_holds(Config) ->
    Many = [list_to_atom("header_" ++ integer_to_list(N)) || N <- lists:seq(1, 600)],
    same_one(Many, echo(Config, Many)),
    same_one({Many, Many}, echo(Config, {Many, Many})).

%% The cache has 2048 slots: more atoms than that push each other out, again and again.
more_atoms_than_the_cache_holds(Config) ->
    All = [list_to_atom("cache_" ++ integer_to_list(N)) || N <- lists:seq(1, 6000)],
    Chunks = chunks(All, 200),
    [same_one(Chunk, echo(Config, Chunk)) || _ <- [1, 2], Chunk <- Chunks],
    Mixed = [{lists:nth(1 + N rem 6000, All), N} || N <- lists:seq(1, 60000, 191)],
    same_one(Mixed, echo(Config, Mixed)).

chunks([], _) -> [];
chunks(List, N) when length(List) =< N -> [List];
chunks(List, N) -> {Head, Tail} = lists:split(N, List), [Head | chunks(Tail, N)].

binaries(Config) ->
    Large = rand:bytes(300000),
    same(Config, [<<>>, <<0>>, <<255>>, <<"text">> | [rand:bytes(N) || N <- [63, 64, 65, 255, 256, 65534, 65535, 65536, 65537]]]
         ++ [binary:part(Large, 1000, N) || N <- [1, 100, 70000, 200000]]).

bitstrings(Config) ->
    same(Config, [<<(rand:uniform(1 bsl N) - 1):N>> || N <- lists:seq(1, 40)] ++ [<<1:1>>, <<0:7>>, <<(rand:bytes(70000))/binary, 5:3>>]),
    <<_:3, Part:101/bits, _/bits>> = rand:bytes(40),
    same(Config, [Part]).

%% STRING_EXT carries up to 65535 bytes; a longer one must be a list.
strings_at_their_limits(Config) ->
    same(Config, ["", "a", "text", [0], [255], [256], lists:seq(0, 255), lists:seq(1, 256), "åäö", "日本語", "caf" ++ [233]]),
    [same_one(S, echo(Config, S)) || N <- [65534, 65535, 65536, 70000], S <- [lists:duplicate(N, $s)]],
    [same_one(S, echo(Config, S)) || N <- [65534, 65535, 65536], S <- [lists:duplicate(N, $s) ++ [256]]].

lists(Config) ->
    same(Config, [[], [[]], [[[]], []], [a], [1, 2.0, "three", <<"four">>], lists:seq(1, 1000), [lists:seq(1, N) || N <- lists:seq(0, 30)],
                  [$a, 1000], [-1, 1], [a | [b]]]).

improper_lists(Config) ->
    same(Config, [[a | b], [1, 2 | 3], [[] | {}], [a, b | <<"c">>], [$a | $b], [[x | y] | z], [alias | make_ref()], [1 | 2.5],
                  lists:seq(1, 300) ++ tail]).

tuples(Config) ->
    same(Config, [{}, {1}, {a, {b, {c}}}, list_to_tuple(lists:seq(1, 255)), list_to_tuple(lists:seq(1, 256)), list_to_tuple(lists:duplicate(70000, x))]).

maps(Config) ->
    Map = fun(N) -> maps:from_list([{K, [K]} || K <- lists:seq(1, N)]) end,
    same(Config, [#{}, #{a => 1}, #{1 => int, 1.0 => float}, #{"k" => #{<<"v">> => {}}}, Map(31), Map(32), Map(33), Map(5000),
                  #{#{} => #{}, [] => {}, {} => []}, #{#{a => 1} => #{b => #{c => d}}},
                  maps:from_list([{list_to_atom("key" ++ integer_to_list(N)), N} || N <- lists:seq(1, 40)])]).

external_funs(Config) ->
    same(Config, [fun lists:map/2, fun erlang:self/0, fun nosuch:'odd name'/255, fun 'Elixir.Enum':count/1]),
    ?eq([2, 3], (echo(Config, fun lists:map/2))(fun(X) -> X + 1 end, [1, 2])).

closures(Config) ->
    Secret = {rand:uniform(1000), self(), <<"kept">>, 1 bsl 100},
    Closure = fun(X) -> {X, Secret} end,
    same(Config, [Closure, fun all/0, fun(A, B, C) -> {A, B, C} end]),
    ?eq({1, Secret}, (echo(Config, Closure))(1)),
    Nested = fun() -> Closure(nested) end,
    ?eq({nested, Secret}, (echo(Config, Nested))()).

local_pids(Config) ->
    Pids = [self(), group_leader(), whereis(init), spawn(fun() -> ok end) | lists:sublist(processes(), 20)],
    same(Config, Pids),
    echo(Config, self()) ! to_myself,
    ?got(to_myself).

foreign_identifiers(Config) ->
    same(Config, terms:foreign_pids() ++ terms:foreign_ports() ++ terms:foreign_references()),
    %% One of the node's own names, long dead.
    Own = check:node_of(Config),
    same(Config, [terms:foreign_pid(Own, 1, 0, 1), terms:foreign_port(Own, 1, 1), terms:foreign_pid(Own, 100, 7, 16#fffffff0)]).

ports(Config) ->
    same(Config, lists:sublist(erlang:ports(), 10)).

references(Config) ->
    same(Config, [make_ref() || _ <- lists:seq(1, 20)]).

alias_references(Config) ->
    Alias = alias(),
    Monitor = monitor(process, self(), [{alias, demonitor}]),
    same(Config, [Alias, Monitor, [alias | Alias]]),
    echo(Config, Alias) ! through_alias,
    ?got(through_alias).

deep_nests(Config) ->
    Lists = lists:foldl(fun(_, Acc) -> [Acc] end, [], lists:seq(1, 100000)),
    Tuples = lists:foldl(fun(N, Acc) -> {N rem 7, Acc} end, {}, lists:seq(1, 50000)),
    Maps = lists:foldl(fun(N, Acc) -> #{N rem 7 => Acc} end, #{}, lists:seq(1, 20000)),
    Mixed = lists:foldl(fun(_, Acc) -> [{#{a => Acc}} | tail] end, [], lists:seq(1, 20000)),
    [true = Deep =:= echo(Config, Deep) || Deep <- [Lists, Tuples, Maps, Mixed]].

five_megabytes(Config) ->
    Binary = rand:bytes(5 * 1024 * 1024),
    true = Binary =:= echo(Config, Binary),
    Pieces = {Binary, [binary:part(Binary, N * 1000, 900) || N <- lists:seq(1, 2000)], lists:seq(1, 100000)},
    true = Pieces =:= echo(Config, Pieces).

native_records(Config) ->
    %% A program that runs on an older OTP does not know the tag; ours does, whatever its peer.
    case native:values() of
        [_ | _] when map_get(own, Config) =:= "false" -> check:skip("another program than ours may not know the tag", []);
        [] -> check:skip("OTP ~s has no native records", [erlang:system_info(otp_release)]);
        Values -> same(Config, Values)
    end.

random_terms(Config) ->
    Seed = terms:seed(),
    [begin
         Term = terms:random(4),
         Back = echo(Config, Term),
         Term =:= Back orelse check:fail(?LINE, "seed ~w, term ~w: sent ~0tp, got ~0tp", [Seed, N, Term, Back])
     end || N <- lists:seq(1, 500)],
    Terms = [terms:random(5) || _ <- lists:seq(1, 200)],
    Terms =:= echo(Config, Terms) orelse check:fail(?LINE, "seed ~w: the list of 200", [Seed]).

many_in_order(Config) ->
    [{echo, check:node_of(Config)} ! {self(), N} || N <- lists:seq(1, 20000)],
    [receive {echo, Back} -> Back =:= N orelse check:fail(?LINE, "~w came in place of ~w", [Back, N])
     after 10000 -> check:fail(?LINE, "~w is missing", [N])
     end || N <- lists:seq(1, 20000)].

%% Above 64 KiB a message travels in fragments, with others between them; one sender's order stays.
large_and_small_interleaved(Config) ->
    Large = rand:bytes(700000),
    Sent = [case N rem 5 of 0 -> {N, Large}; _ -> N end || N <- lists:seq(1, 60)],
    [{echo, check:node_of(Config)} ! {self(), T} || T <- Sent],
    [receive {echo, Back} -> Back =:= T orelse check:fail(?LINE, "out of order", [])
     after 10000 -> check:fail(?LINE, "one is missing", [])
     end || T <- Sent].

to_another_process(Config) ->
    Self = self(),
    Other = spawn_link(fun() -> receive M -> Self ! {other, M} end end),
    {echo, check:node_of(Config)} ! {Other, hello},
    ?got({other, {echo, hello}}),
    %% To a process that has ended: nothing happens, and the next is served.
    {Dead, Ref} = spawn_monitor(fun() -> ok end),
    ?got({'DOWN', Ref, process, Dead, normal}),
    {echo, check:node_of(Config)} ! {Dead, lost},
    ?eq(still_there, echo(Config, still_there)).

from_many_processes(Config) ->
    Self = self(),
    Pids = [spawn_link(fun() ->
                               [echo(Config, {N, M}) || M <- lists:seq(1, 50)],
                               Self ! {finished, self(), echo(Config, {N, binary:copy(<<N>>, 100000)})}
                       end) || N <- lists:seq(1, 40)],
    [receive {finished, Pid, Back} -> ?eq({N, binary:copy(<<N>>, 100000)}, Back)
     after 20000 -> check:fail(?LINE, "process ~w has not finished", [N])
     end || {N, Pid} <- lists:zip(lists:seq(1, 40), Pids)].

%% Whatever `!` sends to is an address, also an alias and a name with its node.
through_every_kind_of_address(Config) ->
    Echo = {echo, check:node_of(Config)},
    Echo ! {alias(), one},
    ?got({echo, one}),
    register(echoed, self()),
    Echo ! {{echoed, node()}, two},
    ?got({echo, two}),
    %% And what is none changes nothing.
    [Echo ! M || M <- [{nobody_here, x}, {42, x}, {"text", x}, {{a, b, c}, x}, {{1, 2}, x}, {make_ref(), x}, no_tuple, {}, {1, 2, 3}]],
    ?eq(still_there, echo(Config, still_there)).
