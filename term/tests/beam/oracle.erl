%% What the tests ask of a live node: random terms, and what it makes of bytes and of pairs of terms.
-module(oracle).
-export([serve/1]).

serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Request} ->
            ok = gen_tcp:send(Socket, answer(Request)),
            serve(Socket);
        {error, closed} ->
            halt(0)
    end.

%% The value of an expression.
answer(<<"eval", Source/binary>>) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source) ++ "."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, []),
    term_to_binary(Value, [{minor_version, 2}]);
%% Random terms, as term_to_binary/2 writes them with the options.
answer(<<"rand", Seed:32, Count:32>>) ->
    rand:seed(exsss, Seed),
    pack([<<(term_to_binary(term(5), [{minor_version, 2}]))/binary>> || _ <- lists:seq(1, Count)]);
%% Whether binary_to_term/1 takes each of these, and how it would write what it got.
answer(<<"read", Packed/binary>>) ->
    pack([try <<1, (term_to_binary(binary_to_term(B), [{minor_version, 2}]))/binary>> catch error:badarg -> <<0>> end
          || B <- unpack(Packed)]);
%% Each of these compressed.
answer(<<"pack", Level, Packed/binary>>) ->
    pack([term_to_binary(binary_to_term(B), [{compressed, Level}, {minor_version, 2}]) || B <- unpack(Packed)]);
%% How each of these prints on one line.
answer(<<"show", Packed/binary>>) ->
    pack([unicode:characters_to_binary(io_lib:format("~0p", [binary_to_term(B)])) || B <- unpack(Packed)]);
%% How the terms of each pair compare: exactly, by ==, by <, in the order of map keys.
answer(<<"comp", Packed/binary>>) ->
    list_to_binary(pairs([binary_to_term(B) || B <- unpack(Packed)])).

pairs([A, B | Rest]) ->
    Exact = erts_internal:cmp_term(A, B),
    [flag(A =:= B), flag(A == B), flag(A < B), if Exact < 0 -> 0; Exact =:= 0 -> 1; true -> 2 end | pairs(Rest)];
pairs([]) ->
    [].

flag(true) -> 1;
flag(false) -> 0.

pack(Binaries) -> << <<(byte_size(B)):32, B/binary>> || B <- Binaries >>.

unpack(Packed) -> [B || <<Size:32, B:Size/binary>> <= Packed].

term(Depth) when Depth =< 0 -> leaf();
term(Depth) ->
    case rand:uniform(12) of
        1 -> list_to_tuple(terms(Depth, 6));
        2 -> terms(Depth, 6);
        3 -> terms(Depth, 3) ++ term(Depth - 1);
        4 -> maps:from_list([{term(Depth - 2), term(Depth - 1)} || _ <- few(5)]);
        5 -> maps:from_list([{leaf(), leaf()} || _ <- few(80)]);
        6 -> [rand:uniform(256) - 1 || _ <- few(40)];
        7 -> [rand:uniform(70000) - 100 || _ <- few(40)];
        8 -> [Head] = [leaf()], [Head | leaf()];
        9 -> A = term(Depth - 1), B = leaf(), closure(A, B);
        10 -> list_to_tuple([leaf() || _ <- few(300)]);
        _ -> leaf()
    end.

closure(A, B) ->
    case rand:uniform(3) of
        1 -> fun() -> A end;
        2 -> fun(X) -> {A, B, X} end;
        3 -> fun(_, _) -> B end
    end.

terms(Depth, Most) -> [term(Depth - 1) || _ <- few(Most)].

few(Most) -> lists:seq(1, rand:uniform(Most + 1) - 1).

leaf() ->
    case rand:uniform(22) of
        1 -> rand:uniform(512) - 256;
        2 -> (1 bsl (rand:uniform(70) - 1)) - rand:uniform(3) + 1;
        3 -> -(1 bsl (rand:uniform(70) - 1)) + rand:uniform(3) - 1;
        4 -> rand:uniform(1 bsl rand:uniform(300)) * (rand:uniform(2) * 2 - 3);
        5 -> (rand:uniform() - 0.5) * math:pow(10, rand:uniform(600) - 300);
        6 -> float(rand:uniform(100) - 50);
        7 -> lists:nth(rand:uniform(6), [0.0, -0.0, 1.7976931348623157e308, 5.0e-324, 9007199254740992.0, 1.0e22]);
        8 -> lists:nth(rand:uniform(9), [ok, error, undefined, nil, true, '', 'Elixir.Foo', 'with space', 'é']);
        9 -> list_to_atom([rand:uniform(26) + $a - 1 || _ <- few(20)]);
        10 -> list_to_atom([lists:nth(rand:uniform(5), [$a, $é, $ÿ, $λ, 16#1F600]) || _ <- few(250)]);
        11 -> crypto_free_bytes(few(60));
        12 -> Bytes = crypto_free_bytes(few(10)), Bits = rand:uniform(7), <<Bytes/binary, (rand:uniform(128)):Bits>>;
        13 -> [];
        14 -> {};
        15 -> #{};
        16 -> self();
        17 -> make_ref();
        18 -> hd(erlang:ports());
        19 -> foreign();
        20 -> lists:nth(rand:uniform(3), [fun lists:map/2, fun erlang:self/0, fun 'no module':'no function'/255]);
        21 -> lists:duplicate(rand:uniform(20), $a + rand:uniform(20));
        22 -> crypto_free_bytes(few(400))
    end.

crypto_free_bytes(Seq) -> << <<(rand:uniform(256) - 1)>> || _ <- Seq >>.

%% Identifiers of nodes that are not there.
foreign() ->
    Node = lists:nth(rand:uniform(3), [<<119, 3, "a@b">>, <<119, 11, "rust@host.x">>, <<119, 4, "é@h"/utf8>>]),
    Word = fun() -> rand:uniform(1 bsl rand:uniform(28)) - 1 end,
    Creation = rand:uniform(1 bsl 32) - 1,
    binary_to_term(case rand:uniform(3) of
        1 -> <<131, 88, Node/binary, (Word()):32, (Word() band 16#1fff):32, Creation:32>>;
        2 -> <<131, 89, Node/binary, (Word()):32, Creation:32>>;
        3 ->
            Count = rand:uniform(3),
            Words = << <<(Word() band 16#3ffff):32>> || _ <- lists:seq(1, Count) >>,
            <<131, 90, Count:16, Node/binary, Creation:32, Words/binary>>
    end).
