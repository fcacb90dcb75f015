%% What runs on the BEAM beside the tests of text: makes terms, and says how this release prints and reads them.
%% One line of base64 for each case, so that nothing on the way can change a byte.
-module(text_peer).
-export([print/2, floats/2, ordered/2, nasty/0, native/0, wide/2, parse/1, scanned/2, segments/2, words/0, terms/2, nasties/0, atoms/0]).

%% Random terms.
print(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [show(term(rand:uniform(5))) || _ <- lists:seq(1, Count)],
    done().

nasty() ->
    [show(T) || T <- nasties()],
    done().

%% Terms that do not fit a line, laid out in lines of several widths.
wide(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [begin
         T = term(3 + rand:uniform(4)),
         Width = lists:nth(rand:uniform(6), [80, 80, 10, 20, 40, 132]),
         Column = lists:nth(rand:uniform(4), [1, 1, 5, 30]),
         Options = [{column, Column}, {line_length, Width}, {depth, -1}, {strings, true}],
         Latin1 = io_lib_pretty:print(T, [{encoding, latin1} | Options]),
         Unicode = io_lib_pretty:print(T, [{encoding, unicode} | Options]),
         out({term_to_binary(T), [utf8(Latin1), utf8(Unicode)], Width, Column})
     end || _ <- lists:seq(1, Count)],
    done().

%% Maps in the order of their keys (~0kp, OTP 26). No maps in keys: the BEAM compares those by numbers of its atom table.
ordered(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [begin
         Key = fun() -> case rand:uniform(4) of 1 -> {leaf(), leaf()}; 2 -> [leaf() | leaf()]; _ -> leaf() end end,
         Keys = [K || K <- [Key() || _ <- lists:seq(1, rand:uniform(50) - 1)], not has_map(K)],
         T = maps:from_list([{K, leaf()} || K <- Keys]),
         %% Put together, since OTP 25 would warn of a control sequence it does not know.
         out({term_to_binary(T), utf8(io_lib:format("~0k" ++ [$p], [T]))})
     end || _ <- lists:seq(1, Count)],
    done().

has_map(T) when is_map(T) -> true;
has_map(T) when is_tuple(T) -> has_map(tuple_to_list(T));
has_map([H | T]) -> has_map(H) orelse has_map(T);
has_map(_) -> false.

%% Floats by the thousand, among them many that lie in the middle between two short decimals.
floats(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [begin
         F = case rand:uniform(3) of
                 1 -> (rand:uniform(1 bsl 53) + 0.0) / (1 bsl rand:uniform(8));
                 2 -> rand:uniform(1 bsl 62) + 0.0;
                 3 -> float()
             end,
         out({F, utf8(io_lib:format("~w", [F]))})
     end || _ <- lists:seq(1, Count)],
    done().

%% How texts read: accepted with their value, or refused.
parse(Texts) ->
    [out(read(Text)) || Text <- Texts],
    done().

%% Printed terms with a random change, and how they read.
scanned(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [begin
         T = term(rand:uniform(4)),
         Text = unicode:characters_to_list(utf8(format(T))),
         Changed = case rand:uniform(3) of 1 -> Text; _ -> change(Text) end,
         Binary = unicode:characters_to_binary(Changed),
         out({Binary, read(Binary)})
     end || _ <- lists:seq(1, Count)],
    done().

%% Binaries of random segments, most of them wrong in some way.
segments(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [begin
         Text = ["<<", lists:join(",", [segment() || _ <- lists:seq(1, rand:uniform(3))]), ">>"],
         Binary = unicode:characters_to_binary(Text),
         out({Binary, read(Binary)})
     end || _ <- lists:seq(1, Count)],
    done().

segment() ->
    Value = pick(["1", "-1", "255", "1000", "-300", "123456789012345678901234567890", "$a", "1.5", "-0.1", "1.0e300", "65504.0", "1.0e-6",
                  "\"abc\"", "\"\"", "\"\\x{20ac}\"", "<<1,2,3>>", "<<1,2:3>>", "<<>>", "(7)", "8364"]),
    Size = case rand:uniform(2) of
               1 -> "";
               2 -> [$:, pick(["0", "1", "3", "8", "12", "16", "17", "32", "64", "100", "(5)"])]
           end,
    Types = ["integer", "float", "binary", "bytes", "bits", "bitstring", "utf8", "utf16", "utf32", "signed", "unsigned", "big",
             "little", "native", "unit:1", "unit:2", "unit:8", "unit:16"],
    Specification = case rand:uniform(5) of
                        1 -> "";
                        N -> [$/ | lists:join("-", [pick(Types) || _ <- lists:seq(1, (N + 1) div 2)])]
                    end,
    [Value, Size, Specification].

pick(List) -> lists:nth(rand:uniform(length(List)), List).

%% For Elixir, which prints them itself.
terms(Seed, Count) ->
    rand:seed(exsss, {Seed, Seed, Seed}),
    [term(rand:uniform(5)) || _ <- lists:seq(1, Count)].

%% Atoms of all short names, for whoever quotes them.
words() ->
    [begin
         show(A),
         show(erlang:make_fun(A, f, 1)),
         show(erlang:make_fun(m, A, 2))
     end || A <- atoms()],
    done().

atoms() ->
    Reserved = ['after', 'and', 'andalso', 'band', 'begin', 'bnot', 'bor', 'bsl', 'bsr', 'bxor', 'case', 'catch', 'cond', 'div',
                'else', 'end', 'fun', 'if', 'let', 'maybe', 'not', 'of', 'or', 'orelse', 'receive', 'rem', 'try', 'when', 'xor',
                'query', 'spec', 'record', 'module', 'none', 'true'],
    Codes = lists:seq(0, 600) ++ [8364, 16#fffd, 16#10000, 16#10ffff],
    Names = [[C] || C <- Codes] ++ [[$a, C] || C <- Codes] ++ [[$a, C, $b] || C <- Codes],
    Reserved ++ [list_to_atom(N) || N <- Names].

native() ->
    %% Built at run time, since older releases cannot read the source.
    Source = "-module(native_records).\n-export([all/0]).\n"
             "-record #r{a=1, b=\"x\"}.\n-record #'R x'{'A b'=1}.\n-record #e{}.\n"
             "all() -> [#r{}, #r{a=foo, b= <<\"abc\">>}, #r{a=lists:seq(1,60)}, #'R x'{}, #'R x'{'A b'=lists:duplicate(20, abc)},"
             " #e{}, [#e{}, 1], {tag, #r{a=#r{b=lists:seq(1,30)}, b=#{#e{} => #r{}}}},"
             " #r{a=lists:duplicate(9, \"a string that takes room\"), b={deep, #r{a=lists:duplicate(9, {another, string})}}}].\n",
    Forms = forms(Source, 1),
    {ok, Module, Code} = compile:forms(Forms, []),
    {module, Module} = code:load_binary(Module, "native_records", Code),
    [begin
         show(T),
         [show_wide(T, Width, Column) || Width <- [10, 20, 40, 80], Column <- [1, 9]]
     end || T <- Module:all()],
    done().

show_wide(T, Width, Column) ->
    Print = fun(E) -> io_lib_pretty:print(T, [{encoding, E}, {column, Column}, {line_length, Width}, {depth, -1}, {strings, true}]) end,
    out({term_to_binary(T), [utf8(Print(latin1)), utf8(Print(unicode))], Width, Column}).

forms(Source, Line) ->
    case erl_scan:tokens([], Source, Line) of
        {done, {ok, Tokens, Next}, Rest} ->
            {ok, Form} = erl_parse:parse_form(Tokens),
            [Form | forms(Rest, Next)];
        {done, {eof, _}, _} -> [];
        {more, _} -> []
    end.

%% ~0p, ~0tp, ~w, ~tw, ~p
show(T) ->
    out({term_to_binary(T), [utf8(format(T)), utf8(io_lib:format("~0tp", [T])), utf8(io_lib:format("~w", [T])),
                             utf8(io_lib:format("~tw", [T])), utf8(io_lib:format("~p", [T]))]}).

format(T) -> io_lib:format("~0p", [T]).

utf8(Text) -> unicode:characters_to_binary(Text).

out(T) -> io:put_chars([base64:encode(term_to_binary(T)), $\n]).

done() -> io:put_chars("done\n"), halt().

%% As whoever reads one term does it, with or without the closing dot.
read(Text) ->
    try erl_scan:string(unicode:characters_to_list(Text)) of
        {ok, Tokens, _} ->
            Closed = case Tokens =/= [] andalso lists:last(Tokens) of
                         {dot, _} -> Tokens;
                         _ -> Tokens ++ [{dot, 1}]
                     end,
            try erl_parse:parse_term(Closed) of
                {ok, T} -> {ok, term_to_binary(T)};
                {error, _} -> refused
            catch _:_ -> refused
            end;
        {error, _, _} -> refused
    catch _:_ -> refused
    end.

change(Text) ->
    Position = rand:uniform(length(Text) + 1) - 1,
    {Before, After} = lists:split(Position, Text),
    Pieces = ["\"", "'", "\\", ".", ",", "|", "(", ")", "{", "}", "[", "]", "<<", ">>", "#", "#{", "=>", "$", "_", "1", "a", "A", "é",
              "-", "+", " ", "\n", "%", "16#", "/", ":", "fun ", "e", "\\x{41}", "\"\"\"", "~", "\x{20ac}"],
    case rand:uniform(3) of
        1 -> Before ++ lists:nth(rand:uniform(length(Pieces)), Pieces) ++ After;
        2 when After =/= [] -> Before ++ tl(After);
        _ -> Before ++ lists:nth(rand:uniform(length(Pieces)), Pieces) ++ case After of [] -> []; [_ | Rest] -> Rest end
    end.

term(Depth) when Depth =< 0 -> leaf();
term(Depth) ->
    case rand:uniform(14) of
        1 -> list_to_tuple(terms(Depth));
        2 -> list_to_tuple([atom() | terms(Depth)]);
        3 -> terms(Depth);
        4 -> [term(Depth - 1) | terms(Depth)] ++ leaf();
        5 -> map(rand:uniform(6), Depth);
        6 -> map(case rand:uniform(8) of 1 -> 30 + rand:uniform(10); N -> N end, Depth - 2);
        7 -> string();
        8 -> lists:seq(1, rand:uniform(60));
        9 -> [{atom(), term(Depth - 2)} || _ <- lists:seq(1, rand:uniform(5))];
        10 -> {atom(), term(Depth - 1)};
        _ -> leaf()
    end.

terms(Depth) -> [term(Depth - rand:uniform(2)) || _ <- lists:seq(1, rand:uniform(7) - 1)].

map(Size, Depth) -> maps:from_list([{term(min(Depth - 2, 2)), term(Depth - 1)} || _ <- lists:seq(1, Size)]).

leaf() ->
    case rand:uniform(16) of
        1 -> rand:uniform(1 bsl rand:uniform(200)) * (2 * rand:uniform(2) - 3);
        2 -> rand:uniform(300) - 150;
        3 -> float();
        4 -> float();
        5 -> atom();
        6 -> atom();
        7 -> string();
        8 -> list_to_binary(string());
        9 -> unicode:characters_to_binary(unicode_string());
        10 -> rand:bytes(rand:uniform(40) - 1);
        11 -> Size = rand:uniform(70), <<(rand:uniform(1 bsl Size) - 1):Size>>;
        12 -> [];
        13 -> lists:nth(rand:uniform(3), [{}, #{}, <<>>]);
        14 -> erlang:make_fun(atom(), atom(), rand:uniform(256) - 1);
        15 -> unicode_string();
        16 -> lists:nth(rand:uniform(4), [self(), make_ref(), fun lists:map/2, hd(erlang:ports())])
    end.

float() ->
    case rand:uniform(4) of
        1 -> rand:uniform();
        2 -> (rand:uniform(2000) - 1000) * math:pow(10, rand:uniform(40) - 20);
        3 -> float(rand:uniform(1 bsl 60));
        4 -> case <<(rand:uniform(1 bsl 64) - 1):64>> of <<F/float>> -> F; _ -> 0.0 end
    end.

atom() ->
    case rand:uniform(5) of
        1 -> list_to_atom(string());
        2 -> list_to_atom(unicode_string());
        _ -> lists:nth(rand:uniform(10), [ok, error, undefined, a, true, 'EXIT', 'hello world', node@host, 'after', some_longer_atom_name])
    end.

%% Mostly printable Latin-1.
string() ->
    Any = rand:uniform(6) =:= 1,
    [case Any of
         true -> rand:uniform(256) - 1;
         false -> lists:nth(rand:uniform(4), [31 + rand:uniform(95), 96 + rand:uniform(26), 96 + rand:uniform(26), 159 + rand:uniform(96)])
     end || _ <- lists:seq(1, rand:uniform(30) - 1)].

unicode_string() ->
    [case rand:uniform(6) of
         1 -> rand:uniform(16#300) - 1;
         %% No combining characters: the layout counts code points, OTP grapheme clusters.
         2 -> 16#3ff + rand:uniform(128);
         3 -> 16#1f600 + rand:uniform(60);
         _ -> 96 + rand:uniform(26)
     end || _ <- lists:seq(1, rand:uniform(12) - 1)].

nasties() ->
    [0, -0.0, 0.0, 1.0, 1.0e21, 1.0e22, 123456789012345680.0, 9007199254740991.0, 9007199254740992.0, 9007199254740993.0e3, 5.0e-324,
     2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 0.01, 0.001, 0.0001, 0.00001, 1.5e-7, 100.0, 1000.0, 10000.0, 99999.0,
     123456.0, 1234567.0, 12345678.9, 4.35, 1.0e15, 1.0e16, 1 bsl 63, -(1 bsl 63), -(1 bsl 63) - 1, 1 bsl 64, (1 bsl 2000) - 1,
     '', ' ', 'a b', '\'', '\\', "\"", "\\", "'", [$a | b], [$a, $b | []], [1 | 2], [[] | []], [[]], {[]}, "abc\0", [127], [128], [159], [160],
     [255], [256], "\b\t\n\v\f\r\e", "\d", <<0>>, <<127>>, <<128>>, <<160>>, <<255>>, <<"\e\"\\">>, <<"\x{e9}"/utf8>>,
     <<"\x{20ac}"/utf8>>, <<"\x{1f600}"/utf8>>, <<16#fffe/utf8>>, <<16#c0, 16#80>>, <<237, 160, 128>>, <<"abc", 255>>, <<1:1>>, <<5:3>>,
     <<"abc", 1:1>>, <<0:7>>, <<255, 127:7>>, #{}, #{a => #{}}, #{1 => 2, 1.0 => 3}, #{[] => {}, {} => []}, {}, {{}}, {a}, {a, b},
     {"a"}, ["a", "b"], [["abc"]], [{a, 1}, {b, "x"}], fun lists:map/2, fun erlang:'+'/2,
     maps:from_list([{I, I} || I <- lists:seq(1, 32)]), maps:from_list([{I, I} || I <- lists:seq(1, 33)]),
     maps:from_list([{I, I} || I <- lists:seq(1, 500)]), maps:from_list([{list_to_atom([$k | integer_to_list(I)]), [I]} || I <- lists:seq(1, 50)]),
     list_to_tuple(lists:seq(1, 300)), lists:seq(1, 300), lists:seq(200, 300), lists:duplicate(70000, $x), lists:duplicate(70000, 1),
     binary:copy(<<"x">>, 500), binary:copy(<<1, 2, 3>>, 100), [<<1, 2, 3>>, binary:copy(<<200>>, 70)], {binary:copy(<<0>>, 90)},
     #{<<1, 2>> => binary:copy(<<0>>, 90)}, {tag, binary:copy(<<7>>, 100)}, <<(binary:copy(<<7>>, 40))/binary, 1:3>>,
     {a_rather_long_tag_that_takes_a_lot_of_room_on_the_line, lists:seq(1, 60)},
     {error, {a_rather_long_tag, {another_rather_long_tag, {and_another_one, {and_one_more_here, lists:seq(1, 60)}}}}},
     [{K, [{K, [{K, lists:seq(1, 40)}]}]} || K <- [first, second_one, third_one_of_them]],
     #{key => #{key => #{key => #{key => #{key => lists:seq(1, 40)}}}}},
     #{a_long_key_of_a_map_that_takes_room => "a long value of a map that takes room", another_long_key => "and another long value"},
     #{lists:seq(1, 50) => lists:seq(1, 50)}, #{{lists:seq(1, 50)} => a, b => {lists:seq(1, 50)}},
     [lists:seq(1, 40) | tail], [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | bbbbbbbbbbbbbbbbbbbbbbbb],
     [a | {lists:seq(1, 50)}], [lists:seq(1, 30) | lists:seq(1, 30)] ++ lists:seq(300, 330),
     lists:duplicate(30, "some text"), lists:duplicate(30, some_atom), lists:duplicate(30, {some, tuple}), lists:duplicate(30, #{some => map}),
     lists:foldl(fun(_, T) -> [T] end, x, lists:seq(1, 200)), lists:foldl(fun(_, T) -> {T} end, x, lists:seq(1, 200)),
     lists:foldl(fun(_, T) -> {tag, T} end, x, lists:seq(1, 60)), lists:foldl(fun(_, T) -> #{k => T} end, x, lists:seq(1, 60)),
     lists:foldl(fun(_, T) -> [x | {T}] end, x, lists:seq(1, 60))].
