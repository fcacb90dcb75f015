%% The term codec, its text and its order, asked through a puppet and compared with the BEAM's own answers.
-module(puppet_codec_suite).
-export([all/0, encode_is_read_back/1, encode_is_byte_for_byte_the_beams/1, decode_reads_what_the_beam_writes/1,
         decode_reads_the_older_tags/1, decode_refuses_what_the_beam_refuses/1, decode_takes_and_refuses_mutants_alike/1,
         decode_is_not_fooled_by_sizes/1, compressed_both_ways/1, format_is_tilde_0p/1, format_of_identifiers/1, format_of_random_terms/1,
         parse_reads_what_the_beam_writes/1, parse_reads_every_literal/1, a_closing_dot_may_be_there/1, parse_refuses_what_is_no_term/1,
         format_and_parse_agree/1, compare_is_the_term_order/1, compare_of_numbers/1, equal_is_exact/1, deep_terms/1, native_records/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, new/1]).

all() ->
    [encode_is_read_back, encode_is_byte_for_byte_the_beams, decode_reads_what_the_beam_writes, decode_reads_the_older_tags,
     decode_refuses_what_the_beam_refuses, decode_takes_and_refuses_mutants_alike, decode_is_not_fooled_by_sizes,
     compressed_both_ways, format_is_tilde_0p, format_of_identifiers, format_of_random_terms, parse_reads_what_the_beam_writes,
     parse_reads_every_literal, a_closing_dot_may_be_there, parse_refuses_what_is_no_term, format_and_parse_agree, compare_is_the_term_order,
     compare_of_numbers, equal_is_exact, deep_terms, native_records].

puppet(Config) -> new(check:node_of(Config)).

%% Runs a check over N random terms; the seed and the term are said when it fails.
over(N, Make, Check) ->
    Seed = terms:seed(),
    [begin
         Term = Make(),
         case Check(Term) of
             true -> ok;
             Other -> check:fail(0, "seed ~w, term ~w of ~w: ~0tp gives ~0tp", [Seed, I, N, Term, Other])
         end
     end || I <- lists:seq(1, N)],
    ok.

boundaries() ->
    [0, 1, -1, 255, 256, 1 bsl 27, -(1 bsl 27) - 1, 1 bsl 31, (1 bsl 31) - 1, -(1 bsl 31), -(1 bsl 31) - 1, 1 bsl 59, 1 bsl 63, 1 bsl 64,
     (1 bsl 2040) - 1, 1 bsl 2040, -(1 bsl 2040), 1 bsl 5000, 0.0, 1.5, -1.5e300, 5.0e-324, a, '', 'hello world', 'é',
     list_to_atom(lists:duplicate(255, $x)), list_to_atom(lists:duplicate(128, $é)), <<>>, <<0>>, <<1:1>>, <<1:7>>, <<0, 1:3>>, "", "a", lists:seq(0, 255),
     lists:seq(1, 256), lists:duplicate(65535, $s), lists:duplicate(65536, $s), [a | b], [1, 2 | 3], [$a | $b], {}, {1}, list_to_tuple(lists:seq(1, 255)),
     list_to_tuple(lists:seq(1, 256)), #{}, #{a => 1}, fun lists:map/2, fun erlang:self/0, 'å∀', '日本語'].

encode_is_read_back(Config) ->
    P = puppet(Config),
    [?eq(T, binary_to_term(do(P, {encode, T}))) || T <- boundaries() ++ terms:foreign_pids() ++ terms:foreign_references() ++ terms:foreign_ports()],
    over(300, fun() -> terms:random(4) end, fun(T) -> T =:= binary_to_term(do(P, {encode, T})) end),
    Closure = fun(X) -> {X, P} end,
    ?eq({1, P}, (binary_to_term(do(P, {encode, Closure})))(1)).

%% As OTP 26 and later write it. Maps are left out: the order of their pairs is the release's own.
encode_is_byte_for_byte_the_beams(Config) ->
    case list_to_integer(erlang:system_info(otp_release)) of
        Old when Old < 26 -> check:skip("OTP ~w still writes Latin-1 atoms", [Old]);
        _ when map_get(own, Config) =:= "false" -> check:skip("another program than ours may run on an older OTP", []);
        _ -> ok
    end,
    P = puppet(Config),
    Same = fun(T) -> {Mine, Theirs} = {term_to_binary(T), do(P, {encode, T})}, Mine =:= Theirs orelse {short(Mine), short(Theirs)} end,
    [?eq(true, Same(T)) || T <- boundaries(), not is_map(T)],
    over(300, fun() -> no_maps(terms:random(4)) end, Same).

short(Binary) -> binary:part(Binary, 0, min(byte_size(Binary), 120)).

no_maps(Map) when is_map(Map) -> no_maps(maps:to_list(Map));
no_maps([H | T]) -> [no_maps(H) | no_maps(T)];
no_maps(Tuple) when is_tuple(Tuple) -> list_to_tuple(no_maps(tuple_to_list(Tuple)));
no_maps(Other) -> Other.

decode_reads_what_the_beam_writes(Config) ->
    P = puppet(Config),
    Ways = [[], [compressed], [{compressed, 9}], [{minor_version, 1}], [{minor_version, 2}], [deterministic]],
    Written = fun(T, Way) -> try term_to_binary(T, Way) catch error:badarg -> term_to_binary(T) end end,
    [begin {ok, Back} = do(P, {decode, Written(T, Way)}), Back =:= T orelse check:fail(?LINE, "~0tp written with ~w reads as ~0tp", [T, Way, Back]) end
     || T <- boundaries() ++ terms:foreign_pids() ++ terms:foreign_references() ++ terms:foreign_ports(), Way <- Ways],
    over(300, fun() -> terms:random(4) end,
         fun(T) -> Way = lists:nth(rand:uniform(length(Ways)), Ways), {ok, T} =:= do(P, {decode, Written(T, Way)}) end).

%% What no current node writes but every one reads (erl_ext_dist). What is right is what this BEAM makes of it.
decode_reads_the_older_tags(Config) ->
    P = puppet(Config),
    Old = [<<131, 100, 3:16, "abc">>, <<131, 115, 3, "abc">>, <<131, 100, 1:16, 233>>, <<131, 118, 3:16, "abc">>, <<131, 119, 2, 195, 169>>,
           <<131, 99, "1.50000000000000000000e+00", 0, 0, 0, 0, 0>>, <<131, 99, "-2.50000000000000000000e-10", 0:40>>,
           %% PID_EXT, PORT_EXT, NEW_REFERENCE_EXT, NEW_PORT_EXT, NEWER_REFERENCE_EXT
           <<131, 103, 100, 3:16, "a@b", 5:32, 1:32, 2>>, <<131, 102, 100, 3:16, "a@b", 5:32, 2>>,
           <<131, 114, 3:16, 100, 3:16, "a@b", 2, 1:32, 2:32, 3:32>>, <<131, 114, 1:16, 100, 3:16, "a@b", 2, 1:32>>,
           <<131, 89, 119, 3, "a@b", 5:32, 77:32>>, <<131, 90, 3:16, 119, 3, "a@b", 77:32, 1:32, 2:32, 3:32>>, <<131, 88, 119, 3, "a@b", 5:32, 6:32, 77:32>>,
           %% Wider forms than needed.
           <<131, 98, 5:32>>, <<131, 98, (-5):32>>, <<131, 105, 2:32, 97, 1, 97, 2>>, <<131, 108, 2:32, 97, 1, 97, 2, 106>>, <<131, 108, 0:32, 106>>,
           <<131, 108, 1:32, 97, 1, 97, 2>>, <<131, 107, 0:16>>, <<131, 110, 1, 0, 5>>, <<131, 110, 0, 0>>, <<131, 110, 3, 0, 5, 0, 0>>, <<131, 110, 4, 1, 255, 255, 0, 0>>,
           <<131, 111, 2:32, 0, 5, 0>>, <<131, 111, 0:32, 0>>, <<131, 110, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0>>, <<131, 113, 119, 5, "lists", 119, 3, "map", 97, 2>>,
           <<131, 77, 1:32, 8, 255>>, <<131, 77, 1:32, 1, 128>>, <<131, 77, 1:32, 1, 255>>, <<131, 77, 2:32, 5, 1, 255>>, <<131, 116, 1:32, 97, 1, 97, 2>>, <<131, 104, 0>>, <<131, 109, 0:32>>],
    [?eq(mine(B), theirs(P, B)) || B <- Old].

mine(Bytes) -> try {ok, binary_to_term(Bytes)} catch error:badarg -> refused end.

theirs(P, Bytes) ->
    case do(P, {decode, Bytes}) of
        {error, Text} when is_binary(Text) -> refused;
        Other -> Other
    end.

decode_refuses_what_the_beam_refuses(Config) ->
    P = puppet(Config),
    Bad = [<<>>, <<131>>, <<130, 97, 1>>, <<131, 97>>, <<131, 97, 1, 2>>, <<131, 0>>, <<131, 255>>, <<131, 1>>, <<131, 98, 1, 2>>, <<131, 70, 255, 240, 0:48>>,
           <<131, 70, 127, 248, 0:48>>, <<131, 70, 127, 240, 0:48>>, <<131, 99, "not a float", 0:160>>, <<131, 100, 5:16, "abc">>, <<131, 100, 256:16, (binary:copy(<<"a">>, 256))/binary>>,
           <<131, 118, 256:16, (binary:copy(<<"a">>, 256))/binary>>, <<131, 119, 1, 255>>, <<131, 119, 2, 192, 128>>, <<131, 119, 3, 237, 160, 128>>, <<131, 119, 4, 244, 144, 128, 128>>,
           <<131, 104, 2, 97, 1>>, <<131, 108, 2:32, 97, 1, 106>>, <<131, 108, 1:32, 97, 1>>, <<131, 107, 5:16, "abc">>, <<131, 109, 5:32, "abc">>, <<131, 77, 1:32, 9, 255>>,
           <<131, 77, 1:32, 0, 255>>, <<131, 110, 5, 0, 1>>, <<131, 110, 1, 0>>, <<131, 116, 2:32, 97, 1, 97, 2, 97, 1, 97, 3>>, <<131, 116, 1:32, 97, 1>>,
           <<131, 103, 97, 1, 5:32, 1:32, 2>>, <<131, 88, 119, 3, "a@b", 5:32>>, <<131, 90, 6:16, 119, 3, "a@b", 77:32, 0:192>>,
           <<131, 113, 119, 1, "m", 119, 1, "f", 98, 256:32>>, <<131, 113, 119, 1, "m", 119, 1, "f", 119, 1, "a">>, <<131, 113, 97, 1, 119, 1, "f", 97, 0>>, <<131, 82, 0>>, <<131, 68, 0>>,
           <<131, 80, 10:32, "not zlib">>, <<131, 80, 0:32>>, <<131, 131, 97, 1>>, <<131, 112, 4:32>>, <<131, 117, 0:32>>, <<131, 116, 1:32>>, <<131, 105, 1:32>>, <<97, 1>>],
    %% LOCAL_EXT is for the node that wrote it: what cannot be checked cannot be sent on either.
    [?eq({B, refused}, {B, theirs(P, B)}) || B <- [<<131, 121, 0:32>>, <<131, 121, 0:64, 97, 1>>, <<131, 104, 1, 121, 1, 2, 3, 4, 97, 1>>], map_get(own, Config) =:= "true"],
    %% EXPORT_EXT beyond arity 255 is taken by some releases and kills another: no oracle for that one.
    [?eq({B, mine(B)}, {B, theirs(P, B)}) || B <- Bad, B =/= <<131, 113, 119, 1, "m", 119, 1, "f", 98, 256:32>>].

%% One byte changed, dropped, doubled, or a cut: the same verdict and the same value as the BEAM's own.
decode_takes_and_refuses_mutants_alike(Config) ->
    P = puppet(Config),
    Seed = terms:seed(),
    Bad = lists:append([begin
                            Bytes = mutant(term_to_binary(terms:random(3, []))),
                            {Mine, Theirs} = {mine(Bytes), theirs(P, Bytes)},
                            [{Bytes, Mine, Theirs} || Mine =/= Theirs, not excused(Bytes, Mine, Theirs)]
                        end || _ <- lists:seq(1, 1500)]),
    Bad =:= [] orelse check:fail(?LINE, "seed ~w: ~w of 1500 differ, the first (bytes, BEAM, puppet): ~0tp", [Seed, length(Bad), hd(Bad)]).

%% Where the BEAM is no oracle: tags of its own tables that binary_to_term takes from anyone (73 to 76, 121), native records that
%% only OTP 29 knows (67), and the empty bitstring (77) that OTP 27 began to refuse.
excused(Bytes, {ok, _}, _) -> holds(Bytes, [73, 74, 75, 76, 121, 77]);
excused(Bytes, refused, {ok, _}) -> holds(Bytes, [67, 77]).

holds(Bytes, Tags) -> binary:match(Bytes, [<<T>> || T <- Tags]) =/= nomatch.

mutant(Bytes) ->
    At = rand:uniform(byte_size(Bytes)) - 1,
    <<Before:At/binary, Byte, After/binary>> = Bytes,
    case rand:uniform(5) of
        1 -> Before;
        2 -> <<Before/binary, After/binary>>;
        3 -> <<Before/binary, Byte, Byte, After/binary>>;
        4 -> <<Before/binary, (Byte bxor (1 bsl (rand:uniform(8) - 1))), After/binary>>;
        5 -> <<Before/binary, (rand:uniform(256) - 1), After/binary>>
    end.

%% Sizes far beyond what is there are refused at once, and cost nothing.
decode_is_not_fooled_by_sizes(Config) ->
    P = puppet(Config),
    Max = 16#ffffffff,
    [begin
         {Took, Result} = timer:tc(fun() -> do(P, {decode, B}) end),
         ?match({error, _}, Result),
         Took < 2000000 orelse check:fail(?LINE, "~0p took ~w us", [B, Took])
     end || B <- [<<131, 108, Max:32, 106>>, <<131, 105, Max:32>>, <<131, 109, Max:32>>, <<131, 111, Max:32, 0, 1>>, <<131, 116, Max:32, 97, 1>>,
                  <<131, 77, Max:32, 1>>, <<131, 104, 255, 108, Max:32>>, <<131, 108, 16#40000000:32, 97, 1>>, <<131, 80, Max:32, 120, 156, 0>>,
                  <<131, 90, 16#ffff:16, 119, 1, "a", 0:32>>, <<131, 107, 16#ffff:16>>, <<131, 118, 16#ffff:16>>]].

compressed_both_ways(Config) ->
    P = puppet(Config),
    [begin
         Bytes = do(P, {encode_compressed, T}),
         ?eq(T, binary_to_term(Bytes)),
         ?eq(true, byte_size(Bytes) =< byte_size(do(P, {encode, T}))),
         ?eq({ok, T}, do(P, {decode, term_to_binary(T, [compressed])}))
     end || T <- [1, a, lists:duplicate(10000, abc), binary:copy(<<"0123456789">>, 10000), #{list => lists:seq(1, 3000)}, rand:bytes(10000)]],
    %% As with term_to_binary, what would not get smaller stays plain.
    ?match(<<131, 97, 1>>, do(P, {encode_compressed, 1})),
    ?match(<<131, 80, _/binary>>, do(P, {encode_compressed, binary:copy(<<0>>, 10000)})),
    %% A bomb is refused or read, and the node lives.
    Bomb = term_to_binary(binary:copy(<<0>>, 100 bsl 20), [compressed]),
    do(P, {decode, Bomb}, 20000),
    ?eq(P, do(P, self)).

formatted(T) -> unicode:characters_to_binary(io_lib:format("~0p", [T])).

format_is_tilde_0p(Config) ->
    P = puppet(Config),
    Terms = [0, -17, 1 bsl 100, 0.0, 1.0, -1.5, 1.0e22, 1.0e23, 1.0e-5, 123456789.125, 5.0e-324, 1.7976931348623157e308, 0.1, 100000.0, 1.0e15, 1.0e16,
             12345678901234567.0, a, 'A', 'hello world', '', 'don\'t', 'a@b', 'if', 'andalso', 'é', 'É', '1a', '_a', 'a_1', 'å∀', '\n', '\\', '\e',
             "", "text", "with \"quotes\"", "line\nbreak\ttab", "caf" ++ [233], [8364], [0], [31], [127], [128], [160], [255], [256], "\e[1m", [$a, 1000], [1, 2, 3], [a, b],
             [a | b], [[]], [[], []], "mixed" ++ [a], {}, {a}, {a, "b", <<"c">>}, #{}, #{a => 1}, #{"k" => [v]}, <<>>, <<"text">>, <<"caf", 233>>, <<"caf\303\251">>, <<0>>, <<1, 2, 3>>,
             <<"line\n">>, <<1:1>>, <<255, 5:3>>, <<"abc", 1:2>>, <<127>>, <<160>>, fun lists:map/2, fun 'odd mod':'Odd fun'/3, [[[[a]]]], {[], {}, #{}}, [{a, 1}, {b, 2}], lists:seq(1, 300),
             true, undefined, [true | false], $a, "\\", <<"\\\"">>, [$\", $'], '\'', 'a\'b', [$\d], [27], "\b\f\v\r\s\0", <<"\b\f\v\r\e\d">>],
    Wrong = [{T, E, G} || T <- Terms, E <- [formatted(T)], G <- [do(P, {format, T})], E =/= G],
    Wrong =:= [] orelse check:fail(?LINE, "~w of ~w differ (term, BEAM, puppet): ~0p", [length(Wrong), length(Terms), lists:sublist(Wrong, 6)]).

%% Its own, as a BEAM prints those of its own.
format_of_identifiers(Config) ->
    P = puppet(Config),
    [?eq(match, re:run(do(P, {format, [T]}), Pattern, [{capture, none}]))
     || {T, Pattern} <- [{P, "^\\[<0\\.[0-9]+\\.[0-9]+>\\]$"}, {do(P, alias), "^\\[#Ref<0(\\.[0-9]+)+>\\]$"}]].

format_of_random_terms(Config) ->
    P = puppet(Config),
    over(500, fun() -> terms:texty(3) end,
         fun(T) -> {E, G} = {formatted(T), do(P, {format, T})}, E =:= G orelse {beam, E, puppet, G} end).

parse_reads_what_the_beam_writes(Config) ->
    P = puppet(Config),
    over(400, fun() -> terms:texty(3) end,
         fun(T) ->
                 lists:all(fun(Format) ->
                                   Text = unicode:characters_to_binary(io_lib:format(Format, [T])),
                                   case do(P, {parse, Text}) of
                                       {ok, T} -> true;
                                       Other -> check:fail(?LINE, "~ts written with ~s reads as ~0tp", [Text, Format, Other])
                                   end
                           end, ["~0p", "~0tp", "~tw", "~w", "~tp", "\n ~0tp % a comment\n"])
         end).

%% Text and the value erl_parse makes of it, computed here.
parse_reads_every_literal(Config) ->
    ?eq({ok, {a, "text"}}, do(puppet(Config), {parse, "{a, \"text\"}"})),
    P = puppet(Config),
    Texts = ["1", "-1", "+1", "- 1", "16#ff", "16#FF", "2#1010", "36#Zz", "-16#10", "1_000_000", "16#ff_ff", "1.5", "-1.5e3", "1.0e-3", "1_0.2_5", "$a", "$\\n", "$\\x{e9}", "$\\101", "$ ",
             "$\\\\", "$\\^a", "a", "'A b'", "'\\x{2200}'", "'it\\'s'", "[]", "[ ]", "[1,2,3]", "[1|2]", "[1,2|[3]]", "{}", "{a,{b}}", "#{}", "#{a=>1}", "#{a => #{b => c}, 1 => \"x\"}", "\"\"",
             "\"text\"", "\"a\" \"b\"", "\"tab\\tnew\\nline\"", "\"\\x41\\x{42}\\103\"", "\"\\e\\s\\d\\0\"", "<<>>", "<<1,2>>", "<<\"text\">>", "<<\"caf\\x{e9}\">>", "<<1:1>>", "<<1:4,2:4>>",
             "<<300:16>>", "<<\"a\",1,\"b\">>", "<<\"\\x{20ac}\"/utf8>>", "fun lists:map/2", "fun 'a b':'C'/0", "  [ 1 , a ] % comment\n", "% first\n x", "[a,\n b]", "\"é\"", "'é'", "[$a,$b]",
             "{-1,-2.5}", "<<-1>>", "<<5:3>>"],
    Wrong = [{T, Mine, Theirs} || T <- Texts, Mine <- [parsed(T)], Theirs <- [do(P, {parse, unicode:characters_to_binary(T)})],
                                  Mine =/= Theirs],
    Wrong =:= [] orelse check:fail(?LINE, "~w of ~w differ (text, BEAM, puppet): ~0tp", [length(Wrong), length(Texts), lists:sublist(Wrong, 8)]).

parsed(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "\n."),
    {ok, [Expression]} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:expr(Expression, []),
    {ok, Value}.

%% A BEAM in its place wants none.
a_closing_dot_may_be_there(#{own := "false"}) -> check:skip("another program than ours may not take it", []);
a_closing_dot_may_be_there(Config) ->
    P = puppet(Config),
    [?eq({T, {ok, V}}, {T, do(P, {parse, T})})
     || {T, V} <- [{<<"1.">>, 1}, {<<"foo .">>, foo}, {<<"{a,[1.5]}.\n">>, {a, [1.5]}}, {<<"\"a.\" . % that is all">>, "a."}, {<<"1.5.">>, 1.5}]].

parse_refuses_what_is_no_term(Config) ->
    P = puppet(Config),
    [?match({error, Why} when is_binary(Why), {T, do(P, {parse, T})} =:= {T, ok} orelse do(P, {parse, T}))
     || T <- [<<>>, <<".">>, <<"[">>, <<"]">>, <<"{a">>, <<"a b">>, <<"1 2">>, <<"[1,]">>, <<"{,}">>, <<"foo(1)">>, <<"X">>, <<"_">>, <<"\"open">>, <<"'open">>, <<"#{a}">>, <<"#{a=>}">>,
              <<"<<1">>, <<"<<a>>">>, <<"37#1">>, <<"1#0">>, <<"2#2">>, <<"fun">>, <<"fun() -> 1 end">>, <<"#rec{}">>, <<"$">>, <<"1..2">>, <<"--">>, <<"- a">>, <<"1.e5">>, <<"a. b.">>,
              <<"[1|2|3]">>, <<"[|1]">>, <<255, 254>>, <<"1.0e999">>, <<"\\">>, <<"@">>, <<"a,b">>, <<"if">>]],
    %% Deeper than any stack.
    Deep = binary:copy(<<"[">>, 200000),
    ?match({error, _}, do(P, {parse, Deep}, 20000)),
    Whole = <<Deep/binary, (binary:copy(<<"]">>, 200000))/binary>>,
    ?match({R, _} when R =:= ok; R =:= error, do(P, {parse, Whole}, 20000)),
    ?eq(P, do(P, self)).

format_and_parse_agree(Config) ->
    P = puppet(Config),
    over(300, fun() -> terms:random(3, []) end,
         fun(T) -> Text = do(P, {format, T}), case do(P, {parse, Text}) of {ok, T} -> true; Other -> {Text, Other} end end).

order(A, B) when A == B -> eq;
order(A, B) when A < B -> lt;
order(_, _) -> gt.

compare_is_the_term_order(Config) ->
    P = puppet(Config),
    Fixed = [1, 1.0, 2, a, b, ab, make_ref(), fun lists:map/2, {}, {a}, {1, 2}, #{}, #{a => 1}, #{a => 2}, #{b => 1}, #{1 => a}, #{1.0 => a}, #{a => 1, b => 2}, [], "", "a", [a | b], [1], [1.0], <<>>, <<1>>,
             <<1:1>>, <<0:3>>, <<1, 0>>, hd(erlang:ports()), self(), 'å', 'z', 'Z', '', [[]], [{}], {[]}],
    [?eq({A, B, order(A, B)}, {A, B, do(P, {compare, A, B})}) || A <- Fixed, B <- Fixed],
    over(1000, fun() -> {terms:ordered(2), terms:ordered(2)} end,
         fun({A, B}) -> {E, G} = {order(A, B), do(P, {compare, A, B})}, E =:= G orelse {beam, E, puppet, G} end),
    %% Sorted by it, a list is as lists:sort has it.
    Some = [terms:ordered(1) || _ <- lists:seq(1, 40)],
    ByPuppet = lists:sort(fun(A, B) -> do(P, {compare, A, B}) =/= gt end, Some),
    ?eq(lists:sort(fun(A, B) -> A =< B end, Some), ByPuppet).

%% Integers and floats compare by value, exactly, however large.
compare_of_numbers(Config) ->
    P = puppet(Config),
    Numbers = lists:append([[N, N + 1, N - 1, -N, float(N), -float(N)] || N <- [0, 1, 1 bsl 52, 1 bsl 53, (1 bsl 53) + 2, 1 bsl 63, 1 bsl 64, 1 bsl 1000]])
        ++ [1.7976931348623157e308, 1 bsl 1024, (1 bsl 1024) - (1 bsl 970), -(1 bsl 1024), 0.5, -0.5, 5.0e-324],
    Wrong = [{A, B, E, G} || A <- Numbers, B <- Numbers, E <- [order(A, B)], G <- [do(P, {compare, A, B})], E =/= G],
    Wrong =:= [] orelse check:fail(?LINE, "~w pairs differ (a, b, BEAM, puppet): ~0p", [length(Wrong), lists:sublist(Wrong, 4)]).

equal_is_exact(Config) ->
    P = puppet(Config),
    Values = [1, 1.0, a, "a", <<"a">>, [97], {1}, {1.0}, #{1 => a}, #{1.0 => a}, [], <<>>, <<1:1>>, <<1:2>>, 'A', [1 | 2], [1, 2], self(), make_ref(), fun lists:map/2, fun lists:map/3, 1 bsl 70, float(1 bsl 70)],
    [?eq({A, B, A =:= B}, {A, B, do(P, {equal, A, B})}) || A <- Values, B <- Values],
    over(500, fun() -> {terms:ordered(2), terms:ordered(2)} end, fun({A, B}) -> (A =:= B) =:= do(P, {equal, A, B}) end),
    over(200, fun() -> terms:random(4) end, fun(T) -> true =:= do(P, {equal, T, binary_to_term(term_to_binary(T))}) end).

deep_terms(Config) ->
    P = puppet(Config),
    [begin
         Deep = lists:foldl(fun(_, Acc) -> Wrap(Acc) end, [], lists:seq(1, 200000)),
         true = Deep =:= binary_to_term(do(P, {encode, Deep}, 20000)),
         ?eq(eq, do(P, {compare, Deep, Deep}, 20000)),
         ?eq(true, do(P, {equal, Deep, Deep}, 20000)),
         {ok, Back} = do(P, {decode, term_to_binary(Deep)}, 20000),
         true = Back =:= Deep
     end || Wrap <- [fun(X) -> [X] end, fun(X) -> {X} end, fun(X) -> [a | X] end]],
    ?eq(P, do(P, self)).

native_records(Config) ->
    case native:values() of
        [] -> check:skip("OTP ~s has no native records", [erlang:system_info(otp_release)]);
        _ when map_get(own, Config) =:= "false" -> check:skip("another program than ours may not know the tag", []);
        Values ->
            P = puppet(Config),
            [begin
                 ?eq(V, binary_to_term(do(P, {encode, V}))),
                 ?eq({ok, V}, do(P, {decode, term_to_binary(V)})),
                 ?eq(true, do(P, {equal, V, V})),
                 %% A pid prints by the number its reader gave the node: no two nodes print it alike.
                 has_pid(V) orelse ?eq(formatted(V), do(P, {format, V}))
             end || V <- Values]
    end.

has_pid(Term) -> nomatch =/= re:run(formatted(Term), "<[0-9]+\\.[0-9]+\\.[0-9]+>").
