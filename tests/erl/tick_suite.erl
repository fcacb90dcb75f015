%% An idle connection lives by ticks, in both directions. Both nodes have a net_ticktime of 4 s.
-module(tick_suite).
-export([all/0, an_idle_connection_stays/1, the_nodes_own_ticktime_is_what_was_asked/1]).
-include("check.hrl").

all() -> [the_nodes_own_ticktime_is_what_was_asked, an_idle_connection_stays].

the_nodes_own_ticktime_is_what_was_asked(_) -> ?eq(4, net_kernel:get_net_ticktime()).

%% Without their ticks we drop them, without ours they drop us, after 5 s at the latest.
an_idle_connection_stays(Config) ->
    Node = check:node_of(Config),
    {echo, Node} ! {self(), there},
    ?got({echo, there}),
    true = erlang:monitor_node(Node, true),
    Ref = monitor(process, {echo, Node}),
    ?none({nodedown, Node}, 12000),
    ?eq(true, demonitor(Ref, [info])),
    {echo, Node} ! {self(), still_there},
    ?got({echo, still_there}).
