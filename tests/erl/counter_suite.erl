%% `counter`: a gen_server to every client OTP has, under a supervisor.
-module(counter_suite).
-export([all/0, get_and_add/1, cast_and_info/1, a_sleep_holds_nobody_up/1, a_call_times_out_and_its_late_reply_is_dropped/1,
         a_crash_is_seen_and_mended/1, an_unknown_call_ends_the_server/1, an_unknown_name_is_noproc_at_once/1,
         reply_tags_of_every_shape/1, requests_without_waiting/1, request_collections/1, multi_call_and_abcast/1,
         calls_from_many_processes/1, other_clients_of_the_protocol/1, a_monitor_by_name_fires/1, large_requests/1]).
-include("check.hrl").

all() ->
    [get_and_add, cast_and_info, a_sleep_holds_nobody_up, a_call_times_out_and_its_late_reply_is_dropped,
     an_unknown_name_is_noproc_at_once, reply_tags_of_every_shape, requests_without_waiting, request_collections,
     multi_call_and_abcast, calls_from_many_processes, other_clients_of_the_protocol, large_requests,
     a_monitor_by_name_fires, a_crash_is_seen_and_mended, an_unknown_call_ends_the_server].

counter(Config) -> {counter, check:node_of(Config)}.

set(Config, N) ->
    gen_server:cast(counter(Config), {set, N}),
    ?eq(N, gen_server:call(counter(Config), get)).

get_and_add(Config) ->
    set(Config, 10),
    ?eq(12, gen_server:call(counter(Config), {add, 2})),
    ?eq(12, gen_server:call(counter(Config), get)),
    ?eq(-5, gen_server:call(counter(Config), {add, -17})),
    ?eq(-5, gen_server:call(counter(Config), get)).

cast_and_info(Config) ->
    set(Config, 100),
    counter(Config) ! tick,
    ?eq(101, gen_server:call(counter(Config), get)),
    [counter(Config) ! tick || _ <- lists:seq(1, 500)],
    ?eq(601, gen_server:call(counter(Config), get)),
    %% What it does not know as a message or a cast it passes over.
    counter(Config) ! {unknown, message},
    gen_server:cast(counter(Config), unknown_cast),
    ?eq(601, gen_server:call(counter(Config), get)).

a_sleep_holds_nobody_up(Config) ->
    set(Config, 0),
    Self = self(),
    spawn_link(fun() -> Self ! {slept, gen_server:call(counter(Config), {sleep, 1500})} end),
    timer:sleep(100),
    Before = erlang:monotonic_time(millisecond),
    ?eq(3, gen_server:call(counter(Config), {add, 3})),
    Took = erlang:monotonic_time(millisecond) - Before,
    Took < 1000 orelse check:fail(?LINE, "an add took ~w ms beside a sleep", [Took]),
    ?none({slept, _}),
    ?got({slept, ok}),
    ?eq(ok, gen_server:call(counter(Config), {sleep, 0})).

a_call_times_out_and_its_late_reply_is_dropped(Config) ->
    ?raises(exit, {timeout, {gen_server, call, [{counter, _}, {sleep, 400}, 50]}}, gen_server:call(counter(Config), {sleep, 400}, 50)),
    ?none(_, 800),
    ?match(N when is_integer(N), gen_server:call(counter(Config), get)).

an_unknown_name_is_noproc_at_once(Config) ->
    Node = check:node_of(Config),
    Before = erlang:monotonic_time(millisecond),
    ?raises(exit, {noproc, {gen_server, call, [{nosuch, Node}, get]}}, gen_server:call({nosuch, Node}, get)),
    ?raises(exit, {noproc, _}, gen_server:call({'ÿ odd', Node}, get, infinity)),
    ?raises(exit, noproc, gen:call({nosuch, Node}, '$gen_call', get, 5000)),
    Took = erlang:monotonic_time(millisecond) - Before,
    Took < 2000 orelse check:fail(?LINE, "three noprocs took ~w ms", [Took]),
    %% A cast to nobody is silent, and the connection stays.
    ?eq(ok, gen_server:cast({nosuch, Node}, hello)),
    {nosuch, Node} ! hello,
    ?match(N when is_integer(N), gen_server:call(counter(Config), get)),
    ?eq(true, lists:member(Node, nodes(connected))).

%% The caller's tag comes back untouched; one that holds an alias is also where the reply goes.
reply_tags_of_every_shape(Config) ->
    set(Config, 7),
    Call = fun(From) -> counter(Config) ! {'$gen_call', From, get} end,
    [begin Call({self(), Tag}), ?got({Tag, 7}) end
     || Tag <- [make_ref(), tag, 1, {tag, "of", <<"several">>, 4.0}, [], [a | b], #{tag => 1}, self(), {make_ref(), 1 bsl 99}]],
    Alias = alias(),
    Call({self(), [alias | Alias]}),
    ?got({[alias | Alias], 7}),
    Call({self(), [[alias | Alias] | make_ref()]}),
    ?got({[[alias | Alias] | _], 7}),
    %% A closed alias gets nothing, whoever is named beside it.
    true = unalias(Alias),
    Call({self(), [alias | Alias]}),
    ?none({_, 7}),
    ReplyOnce = monitor(process, counter(Config), [{alias, reply_demonitor}]),
    Call({self(), [alias | ReplyOnce]}),
    ?got({[alias | ReplyOnce], 7}),
    Call({self(), [alias | ReplyOnce]}),
    ?none({_, 7}).

requests_without_waiting(Config) ->
    set(Config, 0),
    Requests = [gen_server:send_request(counter(Config), {add, 1}) || _ <- lists:seq(1, 100)],
    ?eq(lists:seq(1, 100), [element(2, {reply, _} = gen_server:receive_response(R, 5000)) || R <- Requests]),
    Slow = gen_server:send_request(counter(Config), {sleep, 300}),
    ?eq(timeout, gen_server:wait_response(Slow, 0)),
    ?eq({reply, ok}, gen_server:wait_response(Slow, 5000)),
    Nobody = gen_server:send_request({nosuch, check:node_of(Config)}, get),
    ?match({error, {noproc, {nosuch, _}}}, gen_server:receive_response(Nobody, 5000)).

request_collections(Config) ->
    set(Config, 0),
    Add = fun(N, Ids) -> gen_server:send_request(counter(Config), {add, 1}, {label, N}, Ids) end,
    Ids = lists:foldl(Add, gen_server:reqids_new(), lists:seq(1, 10)),
    ?eq([{N, {label, N}} || N <- lists:seq(1, 10)], lists:sort(collect(Ids))).

collect(Ids) ->
    case gen_server:receive_response(Ids, 5000, true) of
        no_request -> [];
        {{reply, N}, Label, Rest} -> [{N, Label} | collect(Rest)]
    end.

multi_call_and_abcast(Config) ->
    Node = check:node_of(Config),
    set(Config, 5),
    ?eq({[{Node, 5}], []}, gen_server:multi_call([Node], counter, get)),
    ?eq({[{Node, 6}], ['nosuch@localhost']}, gen_server:multi_call([Node, 'nosuch@localhost'], counter, {add, 1}, 5000)),
    ?eq({[], [Node]}, gen_server:multi_call([Node], nosuch, get, 5000)),
    ?eq(abcast, gen_server:abcast([Node], counter, {set, 50})),
    ?soon(gen_server:call(counter(Config), get) =:= 50).

calls_from_many_processes(Config) ->
    set(Config, 0),
    Refs = [element(2, spawn_monitor(fun() -> [gen_server:call(counter(Config), {add, 1}) || _ <- lists:seq(1, 50)] end))
            || _ <- lists:seq(1, 50)],
    [receive {'DOWN', Ref, process, _, Reason} -> ?eq(normal, Reason) after 20000 -> check:fail(?LINE, "a caller hangs", []) end
     || Ref <- Refs],
    ?eq(2500, gen_server:call(counter(Config), get)).

%% gen_statem and gen_event clients speak the same call.
other_clients_of_the_protocol(Config) ->
    set(Config, 9),
    ?eq(9, gen_statem:call(counter(Config), get)),
    ?eq(9, gen_statem:call(counter(Config), get, {clean_timeout, 5000})),
    ?eq(9, gen_statem:call(counter(Config), get, {dirty_timeout, 5000})),
    ?eq({ok, 9}, gen:call(counter(Config), '$gen_call', get)),
    ?eq(9, gen_server:call(counter(Config), get, infinity)).

large_requests(Config) ->
    ?eq(1 bsl 40000, begin set(Config, 0), gen_server:call(counter(Config), {add, 1 bsl 40000}) end),
    set(Config, 0).

a_monitor_by_name_fires(Config) ->
    Node = check:node_of(Config),
    Counter = counter(Config),
    Ref = monitor(process, Counter),
    ?raises(exit, {{crash, requested}, _}, gen_server:call(Counter, crash)),
    ?got({'DOWN', Ref, process, {counter, Node}, {crash, requested}}),
    back(Config),
    %% Taken back in time: silence.
    Again = monitor(process, Counter),
    ?eq(true, demonitor(Again, [info])),
    ?eq(false, demonitor(Again, [info])).

%% The supervisor needs a moment; until then it is noproc.
back(Config) ->
    ?soon(try is_integer(gen_server:call(counter(Config), get)) catch exit:{noproc, _} -> false end).

a_crash_is_seen_and_mended(Config) ->
    set(Config, 33),
    ?raises(exit, {{crash, requested}, {gen_server, call, [{counter, _}, crash]}}, gen_server:call(counter(Config), crash)),
    back(Config),
    ?eq(0, gen_server:call(counter(Config), get)).

an_unknown_call_ends_the_server(Config) ->
    set(Config, 33),
    ?raises(exit, {{bad_call, {what, <<"is">>, "this"}}, {gen_server, call, _}}, gen_server:call(counter(Config), {what, <<"is">>, "this"})),
    back(Config),
    ?eq(0, gen_server:call(counter(Config), get)).
