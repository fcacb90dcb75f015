%% Terms to try things with: fixed ones at every boundary of the external format, and random ones from a seed.
-module(terms).
-export([seed/0, random/1, random/2, texty/1, ordered/1, foreign_pids/0, foreign_ports/0, foreign_references/0,
         foreign_port/3, foreign_pid/4]).

%% Seeds this process and says with what, so that a failure can be run again: CNODE_TEST_SEED.
seed() ->
    Seed = case os:getenv("CNODE_TEST_SEED") of
               false -> erlang:system_time(microsecond) rem 1000000;
               Text -> list_to_integer(Text)
           end,
    rand:seed(exsss, {Seed, 1, 1}),
    Seed.

one_of(List) -> lists:nth(rand:uniform(length(List)), List).

integer() ->
    Bits = one_of([1, 7, 8, 9, 27, 28, 31, 32, 33, 59, 60, 63, 64, 65, 128, 500, 2039, 2040, 2041, 5000]),
    Value = (1 bsl Bits) - one_of([-1, 0, 1, 2, rand:uniform(1 bsl min(Bits, 64))]),
    one_of([Value, -Value]).

float() ->
    <<Bits:64/bits>> = <<(rand:uniform(1 bsl 64) - 1):64>>,
    case {rand:uniform(3), Bits} of
        {1, <<F/float>>} when abs(F) > 0 -> F;
        {2, _} -> one_of([1.0, -1.0, 0.5, 1.0e23, 1.0e22, 5.0e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1]);
        _ -> float(rand:uniform(1000000)) / 64
    end.

atom() ->
    one_of([a, b, ok, error, undefined, true, false, nil, '', 'hello world', 'Upper', 'don\'t', 'a@b', 'é', 'ÿ', 'å∀', 'if',
            list_to_atom(lists:duplicate(rand:uniform(255), $x)),
            list_to_atom("n" ++ integer_to_list(rand:uniform(500)))]).

binary() -> crypto_free_bytes(one_of([0, 1, 2, 3, 7, 8, 63, 64, 65, 255, 256, 1000, 3000])).
crypto_free_bytes(N) -> rand:bytes(N).

bitstring() -> <<_:1, Bits/bits>> = crypto_free_bytes(1 + rand:uniform(40)), Bits.

characters() -> [one_of([rand:uniform(95) + 31, rand:uniform(255)]) || _ <- lists:seq(1, rand:uniform(40))].

%% Every kind but those a node may not print alike: pids, ports, references and closures are asked for by name.
random(Depth) -> random(Depth, [pids, funs]).

random(0, With) -> leaf(With);
random(Depth, With) ->
    case rand:uniform(10) of
        N when N =< 4 -> leaf(With);
        N when N =< 6 -> list_to_tuple(several(Depth, With));
        7 -> several(Depth, With);
        8 -> several(Depth, With) ++ leaf(With);
        _ -> maps:from_list([{random(Depth - 1, With), random(Depth - 1, With)} || _ <- lists:seq(1, rand:uniform(6))])
    end.

several(Depth, With) -> [random(Depth - 1, With) || _ <- lists:seq(0, rand:uniform(6) - 1)].

leaf(With) ->
    Kinds = [fun integer/0, fun integer/0, fun() -> rand:uniform(512) - 256 end, fun float/0, fun atom/0, fun atom/0,
             fun binary/0, fun bitstring/0, fun characters/0, fun() -> [] end, fun() -> {} end, fun() -> #{} end],
    More = [fun() -> one_of([self(), make_ref() | foreign_pids() ++ foreign_references() ++ foreign_ports()]) end
            || lists:member(pids, With)]
        ++ [fun() -> one_of([fun lists:map/2, fun erlang:self/0, fun 'odd module':'f'/255]) end || lists:member(funs, With)],
    (one_of(Kinds ++ More))().

%% What `~0p` prints alike on every release: no pids, and maps of one key (their order of printing is a release's own).
texty(0) -> leaf([]);
texty(Depth) ->
    Several = fun() -> [texty(Depth - 1) || _ <- lists:seq(1, rand:uniform(4))] end,
    case rand:uniform(8) of
        N when N =< 3 -> leaf([]);
        4 -> list_to_tuple(Several());
        5 -> Several();
        6 -> Several() ++ leaf([]);
        7 -> #{texty(Depth - 1) => texty(Depth - 1)};
        8 -> one_of([fun lists:map/2, "plain text", <<"plain text">>, "tab\tquote\"", <<"new\nline">>, [0, 1, 2], <<0, 1>>,
                     "caf\351", <<"caf\351">>, <<"caf\303\251">>, [8364], 'a b', '\n', '\\', $a, "\e", <<127>>, [160], [255]])
    end.

%% Terms that are often near each other in the term order. No -0.0: what it is equal to changed with OTP 27.
ordered(0) ->
    Big = 1 bsl one_of([53, 60, 64, 1023]),
    one_of([0, 1, 2, -1, 1.0, 2.0, -1.0, 1.5, 0.5, Big, Big + 1, Big - 1, float(Big), -Big, -float(Big), 1 bsl 1024, -(1 bsl 1024),
            1.7976931348623157e308, a, b, ab, '', [], {}, #{}, <<>>, <<0>>, <<1>>, <<0:1>>, <<1:1>>, <<0:9>>, <<"a">>, "a", "b",
            make_ref_once(), self(), fun lists:map/2 | foreign_pids()]);
ordered(Depth) ->
    Several = fun() -> [ordered(Depth - 1) || _ <- lists:seq(0, rand:uniform(4) - 1)] end,
    case rand:uniform(6) of
        N when N =< 2 -> ordered(0);
        3 -> list_to_tuple(Several());
        4 -> Several();
        5 -> Several() ++ ordered(0);
        6 -> maps:from_list([{ordered(0), ordered(Depth - 1)} || _ <- lists:seq(0, rand:uniform(4) - 1)])
    end.

make_ref_once() ->
    case get(one_ref) of
        undefined -> R = make_ref(), put(one_ref, R), R;
        R -> R
    end.

%% Identifiers of nodes that never were, made from bytes as a message would bring them.
foreign_pid(Node, Id, Serial, Creation) ->
    binary_to_term(<<131, 88, (name(Node))/binary, Id:32, Serial:32, Creation:32>>).
foreign_port(Node, Id, Creation) when Id < 1 bsl 28 ->
    binary_to_term(<<131, 89, (name(Node))/binary, Id:32, Creation:32>>);
foreign_port(Node, Id, Creation) ->
    binary_to_term(<<131, 120, (name(Node))/binary, Id:64, Creation:32>>).
name(Node) -> Text = atom_to_binary(Node), <<119, (byte_size(Text)), Text/binary>>.

foreign_pids() ->
    [foreign_pid('far@away', Id, Serial, Creation)
     || {Id, Serial, Creation} <- [{1, 0, 1}, {32767, 8191, 3}, {16#ffff, 0, 16#ffffffff}, {16#ffffffff, 16#ffffffff, 16#12345678}]].

foreign_ports() ->
    [foreign_port('far@away', Id, 16#12345678) || Id <- [0, 1, (1 bsl 28) - 1, 1 bsl 28, (1 bsl 64) - 1]].

foreign_references() ->
    [binary_to_term(<<131, 90, (length(Words)):16, (name('far@away'))/binary, 16#12345678:32, << <<W:32>> || W <- Words>>/binary>>)
     || Words <- [[1], [1, 2], [16#3ffff, 16#ffffffff, 16#ffffffff], [1, 2, 3, 4], [16#3ffff, 2, 3, 4, 16#ffffffff]]].
