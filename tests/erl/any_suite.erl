%% `any`: the C node of OTP's interoperability tutorial, asked as the tutorial's complex module asks it.
-module(any_suite).
-export([all/0, foo_adds_one/1, bar_doubles/1, many_callers_get_their_own_answer/1, nonsense_is_passed_over/1,
         a_call_in_the_name_of_another_process_is_answered_there/1, large_integers/1]).
-include("check.hrl").

all() ->
    [foo_adds_one, bar_doubles, many_callers_get_their_own_answer, nonsense_is_passed_over,
     a_call_in_the_name_of_another_process_is_answered_there, large_integers].

foo(Node, X) -> call_cnode(Node, {foo, X}).
bar(Node, Y) -> call_cnode(Node, {bar, Y}).
call_cnode(Node, Msg) ->
    {any, Node} ! {call, self(), Msg},
    receive
        {cnode, Result} -> Result
    after 5000 -> no_answer
    end.

foo_adds_one(Config) ->
    Node = check:node_of(Config),
    [?eq(X + 1, foo(Node, X)) || X <- [3, 0, -1, -2, 254, 255, 256, 65535, 1 bsl 27, 1 bsl 31, -(1 bsl 31) - 1, 1 bsl 60]].

bar_doubles(Config) ->
    Node = check:node_of(Config),
    [?eq(Y * 2, bar(Node, Y)) || Y <- [5, 0, -1, 127, 128, 1 bsl 27, 1 bsl 30, -(1 bsl 31), 1 bsl 60]].

many_callers_get_their_own_answer(Config) ->
    Node = check:node_of(Config),
    Self = self(),
    Callers = [spawn_link(fun() ->
                                  Self ! {self(), [foo(Node, X) || X <- lists:seq(N * 100, N * 100 + 20)]}
                          end) || N <- lists:seq(1, 50)],
    [receive {Pid, Answers} -> ?eq([X + 1 || X <- lists:seq(N * 100, N * 100 + 20)], Answers)
     after 10000 -> check:fail(?LINE, "caller ~w has no answer", [N])
     end || {N, Pid} <- lists:zip(lists:seq(1, 50), Callers)].

nonsense_is_passed_over(Config) ->
    Node = check:node_of(Config),
    [{any, Node} ! M || M <- [hello, {}, [], {call}, {call, self()}, {call, self(), foo}, {call, self(), {foo, bar}},
                              {call, self(), {baz, 1}}, {call, nobody, {foo, 1}}, {call, self(), {foo, 1, 2}}, <<"x">>,
                              {call, self(), {foo, 1.5}}, 1.0e308, #{}, {call, self(), {foo, "1"}}]],
    ?eq(8, foo(Node, 7)),
    ?none({cnode, _}).

a_call_in_the_name_of_another_process_is_answered_there(Config) ->
    Self = self(),
    Other = spawn_link(fun() -> receive M -> Self ! {other_got, M} end end),
    {any, check:node_of(Config)} ! {call, Other, {foo, 41}},
    ?got({other_got, {cnode, 42}}).

%% The contract says X + 1 and Y * 2 of whatever integer comes.
large_integers(Config) ->
    Node = check:node_of(Config),
    [begin ?eq(X + 1, foo(Node, X)), ?eq(X * 2, bar(Node, X)) end
     || X <- [(1 bsl 63) - 1, 1 bsl 63, -(1 bsl 63), 1 bsl 64, -(1 bsl 64) - 1, 1 bsl 2048]].
