%% After whatever others did: an ordinary Erlang node is served, at once.
-module(served_suite).
-export([all/0, echo_and_counter_answer/1]).
-include("check.hrl").

all() -> [echo_and_counter_answer].

echo_and_counter_answer(Config) ->
    Node = check:node_of(Config),
    Before = erlang:monotonic_time(millisecond),
    ?eq(pong, net_adm:ping(Node)),
    {echo, Node} ! {self(), {still, [there]}},
    ?got({echo, {still, [there]}}),
    Took = erlang:monotonic_time(millisecond) - Before,
    Took < 3000 orelse check:fail(?LINE, "it took ~w ms", [Took]),
    %% What strangers tried to set has not come through.
    ?eq(0, gen_server:call({counter, Node}, get)),
    Body = rand:bytes(300000),
    {echo, Node} ! {self(), Body},
    ?got({echo, Body}).
