%% A node of ours with two carriers and a peer on each: the tester over a Unix socket, `far` over a network. Neither of the two can
%% reach the other; what passes between them passes through ours, and every pid keeps its node.
-module(each_side_suite).
-export([all/0, both_are_connected_and_apart/1, pids_are_right_on_either_side/1, names_are_reached_from_either_side/1,
         both_see_an_end/1, one_is_lost_and_the_other_stays/1]).
-include("check.hrl").

all() ->
    [both_are_connected_and_apart, pids_are_right_on_either_side, names_are_reached_from_either_side, both_see_an_end,
     one_is_lost_and_the_other_stays].

-define(FAR, 'far@localhost').

%% A puppet on our node, and a process on the far one that tells it what it receives.
pair(Config) ->
    Ours = puppets:new(check:node_of(Config)),
    ?eq(true, puppets:do(Ours, {connect, ?FAR})),
    Far = puppets:do(Ours, {rpc, ?FAR, own_puppet, start, [Ours], 10000}),
    ?eq(?FAR, node(Far)),
    {Ours, Far}.

%% What the far process makes of a command that ours sends it.
over_there({Ours, Far}, Command) ->
    Tag = {answer, erlang:unique_integer()},
    ok = puppets:do(Ours, {send, Far, {puppet, Ours, Tag, Command}}),
    {Tag, Result} = puppets:event(Ours),
    Result.

both_are_connected_and_apart(Config) ->
    {Ours, _} = Pair = pair(Config),
    ?eq(lists:sort([node(), ?FAR]), lists:sort(puppets:do(Ours, {nodes, hidden}))),
    ?eq([check:node_of(Config)], nodes(connected)),
    ?eq(pang, net_adm:ping(?FAR)),
    ?eq(pong, over_there(Pair, {ping, check:node_of(Config)})),
    ?eq(pang, over_there(Pair, {ping, node()})).

pids_are_right_on_either_side(Config) ->
    {Ours, Far} = Pair = pair(Config),
    ?eq(Far, over_there(Pair, self)),
    ?eq(?FAR, over_there(Pair, node)),
    Mine = #{me => self(), ours => Ours, far => Far, reference => make_ref()},
    ok = puppets:do(Ours, {send, Far, {given, Mine}}),
    ?eq({event, Far, {given, Mine}}, puppets:event(Ours)),
    %% The far one hands it to ours under my name for it, and ours to me.
    ok = puppets:do(Ours, {send, self(), {back, Mine}}),
    ?got({back, Mine}).

names_are_reached_from_either_side(Config) ->
    {Ours, _} = Pair = pair(Config),
    Node = check:node_of(Config),
    true = puppets:do(Ours, {register, between, Ours}),
    {between, Node} ! {puppet, self(), mine, self},
    ?got({mine, Ours}),
    %% The answer and what was sent come from one process: in this order.
    Tag = {answer, there},
    ok = puppets:do(Ours, {send, element(2, Pair), {puppet, Ours, Tag, {send, {between, Node}, {from, ?FAR}}}}),
    ?eq([{from, ?FAR}, {Tag, ok}], puppets:events(Ours, 2)).

both_see_an_end(Config) ->
    {Ours, _} = pair(Config),
    {Other, Far} = {puppets:new(check:node_of(Config)), puppets:do(Ours, {rpc, ?FAR, own_puppet, start, [Ours], 10000})},
    Mine = monitor(process, Other),
    Theirs = over_there({Ours, Far}, {monitor, Other}),
    puppets:tell(Other, {exit, enough}),
    ?got({'DOWN', Mine, process, Other, enough}),
    ?eq({event, Far, {'DOWN', Theirs, process, Other, enough}}, puppets:event(Ours)).

one_is_lost_and_the_other_stays(Config) ->
    {Ours, _} = pair(Config),
    true = puppets:do(Ours, {monitor_node, ?FAR, true}),
    {ok, _} = check:ask(["kill", "far"]),
    ?eq({nodedown, ?FAR}, puppets:event(Ours)),
    ?eq([node()], puppets:do(Ours, {nodes, hidden})),
    {echo, check:node_of(Config)} ! {self(), still_there},
    ?got({echo, still_there}).
