%% No epmd anywhere. The nodes of a host are told apart by their addresses, and all listen on one port that everybody knows
%% (`-erl_epmd_port`); or a module of the user's own stands in for epmd's client (`-epmd_module`).
-module(static_suite).
-export([all/0, there_is_no_epmd/1, we_are_dialled/1, we_dial/1]).
-include("check.hrl").

all() -> [there_is_no_epmd, we_are_dialled, we_dial].

there_is_no_epmd(_) -> ?match({error, _}, gen_tcp:connect({127, 0, 0, 1}, list_to_integer(os:getenv("ERL_EPMD_PORT")), [])).

we_are_dialled(Config) ->
    Node = check:node_of(Config),
    {echo, Node} ! {self(), there},
    ?got({echo, there}),
    ?eq(pong, net_adm:ping(Node)),
    ?eq([Node], nodes(hidden)).

%% A puppet is told over the connection that we made; when that is gone it has news for us, and calls.
we_dial(Config) ->
    Node = check:node_of(Config),
    P = puppets:new(Node),
    [begin
         _ = puppets:do(P, {send_after, 300, P, {called, N}}),
         true = erlang:disconnect_node(Node),
         ?soon(nodes(connected) =:= []),
         ?eq({called, N}, puppets:event(P)),
         ?eq([Node], nodes(hidden))
     end || N <- [1, 2, 3]].
