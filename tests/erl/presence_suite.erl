%% How the node looks to its peers: pinged, listed, monitored, disconnected.
-module(presence_suite).
-export([all/0, it_answers_a_ping/1, epmd_lists_it/1, it_is_hidden/1, a_message_connects_by_itself/1,
         a_disconnect_is_survived/1, monitors_of_nobody_fire_at_once/1, node_events_come/1,
         a_monitor_fires_when_the_connection_goes/1, an_unasked_ping_is_only_for_net_kernel/1, a_remote_spawn_never_hangs/1,
         a_name_that_only_epmd_knows_is_a_pang/1]).
-include("check.hrl").

all() ->
    [a_message_connects_by_itself, it_answers_a_ping, epmd_lists_it, it_is_hidden, a_disconnect_is_survived,
     monitors_of_nobody_fire_at_once, node_events_come, a_monitor_fires_when_the_connection_goes,
     an_unasked_ping_is_only_for_net_kernel, a_remote_spawn_never_hangs, a_name_that_only_epmd_knows_is_a_pang].

alive(Config) ->
    {echo, check:node_of(Config)} ! {self(), there},
    ?got({echo, there}).

%% First of all: nothing has connected us yet.
a_message_connects_by_itself(Config) ->
    ?eq([], nodes(connected)),
    alive(Config),
    ?eq([check:node_of(Config)], nodes(connected)).

it_answers_a_ping(Config) ->
    Node = check:node_of(Config),
    [?eq(pong, net_adm:ping(Node)) || _ <- lists:seq(1, 20)],
    ?eq(true, net_kernel:connect_node(Node)).

epmd_lists_it(Config) ->
    [Name, Host] = string:split(atom_to_list(check:node_of(Config)), "@"),
    Port = list_to_integer(maps:get(port, Config)),
    {ok, Names} = net_adm:names(Host),
    case init:get_argument(proto_dist) of
        {ok, [["local"]]} ->
            %% Unix sockets have no port, and nothing for epmd to know.
            ?eq({0, false}, {Port, lists:keyfind(Name, 1, Names)});
        _ ->
            ?eq({Name, Port}, lists:keyfind(Name, 1, Names)),
            ?match({port, Port, V} when V =:= 5; V =:= 6, erl_epmd:port_please(Name, {127, 0, 0, 1}))
    end.

it_is_hidden(Config) ->
    Node = check:node_of(Config),
    alive(Config),
    ?eq(true, lists:member(Node, nodes(hidden))),
    ?eq(false, lists:member(Node, nodes())),
    ?eq(false, lists:member(Node, nodes(visible))),
    ?eq(true, lists:member(Node, nodes(known))).

a_disconnect_is_survived(Config) ->
    Node = check:node_of(Config),
    [begin
         alive(Config),
         ?eq(true, erlang:disconnect_node(Node)),
         ?soon(not lists:member(Node, nodes(connected)))
     end || _ <- lists:seq(1, 20)],
    alive(Config).

monitors_of_nobody_fire_at_once(Config) ->
    Node = check:node_of(Config),
    Before = erlang:monotonic_time(millisecond),
    [begin
         Ref = monitor(process, {Name, Node}),
         ?got({'DOWN', Ref, process, {Name, Node}, noproc})
     end || Name <- [nosuch, 'å∀', '']],
    Took = erlang:monotonic_time(millisecond) - Before,
    Took < 2000 orelse check:fail(?LINE, "it took ~w ms", [Took]),
    alive(Config).

node_events_come(Config) ->
    Node = check:node_of(Config),
    alive(Config),
    ok = net_kernel:monitor_nodes(true, #{node_type => hidden, nodedown_reason => true}),
    true = erlang:disconnect_node(Node),
    ?got({nodedown, Node, _}),
    alive(Config),
    ?got({nodeup, Node, _}),
    ok = net_kernel:monitor_nodes(false, #{node_type => hidden, nodedown_reason => true}).

a_monitor_fires_when_the_connection_goes(Config) ->
    Node = check:node_of(Config),
    alive(Config),
    Ref = monitor(process, {echo, Node}),
    true = erlang:monitor_node(Node, true),
    ?none({'DOWN', Ref, _, _, _}),
    true = erlang:disconnect_node(Node),
    ?got({'DOWN', Ref, process, {echo, Node}, noconnection}),
    ?got({nodedown, Node}),
    alive(Config).

%% What other things ask of net_kernel is refused or passed over: an answer or nothing, and the node goes on.
an_unasked_ping_is_only_for_net_kernel(Config) ->
    Node = check:node_of(Config),
    {net_kernel, Node} ! hello,
    gen_server:cast({net_kernel, Node}, hello),
    {rex, Node} ! {self(), {call, erlang, node, [], group_leader()}},
    {global_name_server, Node} ! hello,
    ?eq(yes, gen_server:call({net_kernel, Node}, {is_auth, node()})),
    ?eq(pong, net_adm:ping(Node)),
    alive(Config).

%% Whether functions are served is another matter; an answer there must be.
a_remote_spawn_never_hangs(Config) ->
    Node = check:node_of(Config),
    Request = spawn_request(Node, nosuch, nosuch, [], [monitor]),
    receive
        {spawn_reply, Request, error, Reason} -> ?eq(notsup, Reason);
        {spawn_reply, Request, ok, Pid} -> ?got({'DOWN', Request, process, Pid, {undef, _}})
    after 5000 -> check:fail(?LINE, "no answer to a spawn request", [])
    end,
    ?match({badrpc, _}, rpc:call(Node, nosuch, nosuch, [], 5000)),
    alive(Config).

a_name_that_only_epmd_knows_is_a_pang(_) ->
    ?eq(pang, net_adm:ping('nosuch@localhost')).
