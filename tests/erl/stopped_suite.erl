%% Peers that end or fall silent, over whatever carries: a process of the operating system that is stopped or killed, and what
%% the others see of it, ours and a BEAM. All three nodes have a net_ticktime of 4 s: who is silent is cut after 3 to 5.
-module(stopped_suite).
-export([all/0, a_beam_that_is_stopped/1, a_beam_that_is_killed/1, ours_that_is_stopped/1, ours_that_is_killed/1]).
-include("check.hrl").

all() -> [a_beam_that_is_stopped, a_beam_that_is_killed, ours_that_is_stopped, ours_that_is_killed].

-define(OTHER, 'beam@localhost').
%% From the ticks' least, to when also a loaded machine has told of it.
-define(SILENCE_MS, 1900).
-define(TOLD_MS, 15000).

a_beam_that_is_stopped(Config) ->
    start_beam(),
    Ours = watching(Config, ?OTHER),
    {ok, _} = check:ask(["signal", "beam", "STOP"]),
    told_after(Ours, ?SILENCE_MS),
    {ok, _} = check:ask(["signal", "beam", "CONT"]),
    ?soon(true =:= puppets:do(Ours, {connect, ?OTHER})).

a_beam_that_is_killed(Config) ->
    Ours = watching(Config, ?OTHER),
    {ok, _} = check:ask(["kill", "beam"]),
    told_after(Ours, 0),
    ?eq(false, puppets:do(Ours, {connect, ?OTHER})),
    start_beam(),
    ?eq(true, puppets:do(Ours, {connect, ?OTHER})).

ours_that_is_stopped(Config) ->
    Node = check:node_of(Config),
    Echo = watching_from_here(Node),
    {ok, _} = check:ask(["signal", "node", "STOP"]),
    told_here_after(Echo, Node, ?SILENCE_MS),
    {ok, _} = check:ask(["signal", "node", "CONT"]),
    ?soon(net_adm:ping(Node) =:= pong),
    {echo, Node} ! {self(), there},
    ?got({echo, there}).

ours_that_is_killed(Config) ->
    Node = check:node_of(Config),
    Echo = watching_from_here(Node),
    {ok, _} = check:ask(["kill", "node"]),
    told_here_after(Echo, Node, 0),
    ?eq(pang, net_adm:ping(Node)).

start_beam() ->
    Cookie = atom_to_list(erlang:get_cookie()),
    {ok, _} = check:ask(["beam", "beam", atom_to_list(?OTHER), Cookie, "-kernel", "net_ticktime", "4"]).

%% A puppet that watches Node and a process there.
watching(Config, Node) ->
    Puppet = puppets:new(check:node_of(Config)),
    true = puppets:do(Puppet, {connect, Node}),
    true = puppets:do(Puppet, {monitor_node, Node, true}),
    Ref = puppets:do(Puppet, {monitor, {init, Node}}),
    %% It has come there when an answer has come back.
    ?eq(Node, puppets:do(Puppet, {rpc, Node, erlang, node, [], 5000})),
    put(watched, {Node, Ref, now_ms()}),
    Puppet.

told_after(Puppet, Least) ->
    {Node, Ref, Begun} = get(watched),
    Events = lists:sort([puppets:event(Puppet, ?TOLD_MS) || _ <- [1, 2]]),
    ?eq(lists:sort([{nodedown, Node}, {'DOWN', Ref, process, {init, Node}, noconnection}]), Events),
    not_before(Begun, Least).

watching_from_here(Node) ->
    true = erlang:monitor_node(Node, true),
    Ref = monitor(process, {echo, Node}),
    {echo, Node} ! {self(), watched},
    ?got({echo, watched}),
    put(begun, now_ms()),
    Ref.

told_here_after(Ref, Node, Least) ->
    receive {'DOWN', Ref, process, {echo, Node}, noconnection} -> ok
    after ?TOLD_MS -> check:fail(?LINE, "no DOWN", [])
    end,
    ?got({nodedown, Node}),
    not_before(get(begun), Least).

not_before(Begun, Least) ->
    After = now_ms() - Begun,
    After >= Least orelse check:fail(?LINE, "told after ~w ms: that was no silence", [After]).

now_ms() -> erlang:monotonic_time(millisecond).
