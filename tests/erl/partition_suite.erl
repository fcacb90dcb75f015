%% Connections that break, fall silent, crawl and come back, seen from both ends. Each of the two nodes, `one` and `two`, is behind a
%% proxy; `one` is a puppet node of ours and `two` another, or a BEAM (setting `two`). The tester sees both over connections that are
%% left alone. All have a net_ticktime of 4 s: a silent peer is cut after 3 to 5.
-module(partition_suite).
-export([all/0, the_nodes_meet/1, a_closed_connection/1, a_reset_connection/1, silence/1, silence_one_way/1, a_stopped_process/1,
         a_killed_node_that_comes_back/1, a_killed_node_of_ours_that_comes_back/1, a_slow_line_is_no_silence/1,
         delays_keep_the_order/1, a_short_silence_costs_nothing/1, one_way_traffic_is_traffic/1,
         a_dial_into_silence_ends/1, what_is_sent_while_a_dial_hangs_comes_in_order/1, flapping/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, tell/2, event/2]).

all() ->
    [the_nodes_meet, a_closed_connection, a_reset_connection, silence, silence_one_way, a_stopped_process,
     a_short_silence_costs_nothing, one_way_traffic_is_traffic, a_slow_line_is_no_silence, delays_keep_the_order,
     a_dial_into_silence_ends, what_is_sent_while_a_dial_hangs_comes_in_order, flapping,
     a_killed_node_that_comes_back, a_killed_node_of_ours_that_comes_back].

-define(ONE, 'one@localhost').
-define(TWO, 'two@localhost').

%%% The scene

the_nodes_meet(Config) ->
    [{ok, _} = proxy(Id, ["register", Id]) || Id <- proxies(Config)],
    start_one(),
    start_two(Config),
    {A, B} = pair(Config),
    ok = do(A, {send, B, hello}),
    ?eq(hello, event(B, 5000)),
    ok = do(B, {send, A, hello}),
    ?eq(hello, event(A, 5000)).

%% A BEAM registers itself: it is behind its proxy for `one` alone.
proxies(#{two := "beam"}) -> ["one"];
proxies(_) -> ["one", "two"].

proxy(Id, Words) -> check:ask(["proxy", Id | Words]).

disturb(Words) -> [{ok, _} = proxy(Id, Words) || Id <- ["one", "two"]], ok.

start_one() ->
    {ok, Two} = proxy("two", ["open"]),
    start_puppet("one", "two@localhost=127.0.0.1:" ++ Two).

start_two(#{two := "beam"}) ->
    {ok, _} = check:ask(["beam", "two", "two@localhost", atom_to_list(erlang:get_cookie()), "-kernel", "net_ticktime", "4"]),
    {port, Port, _} = erl_epmd:port_please("two", {127, 0, 0, 1}),
    {ok, _} = proxy("two", ["to", integer_to_list(Port)]),
    ?soon(net_adm:ping(?TWO) =:= pong);
start_two(_) ->
    {ok, One} = proxy("one", ["open"]),
    start_puppet("two", "one@localhost=127.0.0.1:" ++ One).

start_puppet(Id, Peer) ->
    {ready, Node, Port, _, _} =
        check:start("puppet", Id, ["--sname", Id ++ "@localhost", "--epmd", "none", "--ticktime", "4", "--peer", Peer,
                                   "--cookie", atom_to_list(erlang:get_cookie())]),
    {ok, _} = proxy(Id, ["to", integer_to_list(Port)]),
    ?soon(net_adm:ping(Node) =:= pong),
    {ok, _} = proxy(Id, ["pin"]).

%% A process on each node, with the two nodes connected and the line as it should be.
pair(Config) ->
    disturb(["heal"]),
    {A, B} = {at(?ONE, Config), at(?TWO, Config)},
    false = do(A, {trap_exit, true}),
    false = do(B, {trap_exit, true}),
    {A, B}.

at(?TWO, #{two := "beam"}) -> erpc:call(?TWO, own_puppet, start, [self()]);
at(Node, _) -> puppets:new(Node).

%%% What must be seen of a loss

%% Each end watches the other in every way there is, a call is under way from each to the other; then the fault. Each end must be
%% told everything exactly once, after From to To ms; and when the line is whole again they find each other again.
seen_by_both(Config, Fault, From, To) ->
    {A, B} = pair(Config),
    {WatchA, WatchB} = {watches(A, B, Config), watches(B, A, Config)},
    Begun = now_ms(),
    Fault(),
    told(A, WatchA, Begun, From, To),
    told(B, WatchB, Begun, From, To),
    disturb(["heal"]),
    finds(A, B),
    finds(B, A),
    %% What lay in the line when it broke, and was delivered now, reached nobody.
    puppets:no_event(A),
    puppets:no_event(B).

watches(A, B, Config) ->
    true = do(A, {link, B}),
    ByPid = do(A, {monitor, B}),
    Name = list_to_atom("watched_" ++ pid_to_list(B)),
    true = do(B, {register, Name, B}),
    ByName = do(A, {monitor, {Name, node(B)}}),
    true = do(A, {monitor_node, node(B), true}),
    Caller = at(node(A), Config),
    Silent = at(node(B), Config),
    Call = tell(Caller, {call, Silent, a_question, infinity}),
    %% The call has come, and with it what was sent before: another fence for what goes between A and B themselves.
    ?match({'$gen_call', _, a_question}, event(Silent, 5000)),
    puppets:fence(A, B),
    puppets:fence(B, A),
    #{peer => B, name => Name, by_pid => ByPid, by_name => ByName, call => Call}.

told(A, #{peer := B, name := Name, by_pid := ByPid, by_name := ByName, call := Call}, Begun, From, To) ->
    Events = lists:sort([event(A, To + 3000) || _ <- lists:seq(1, 4)]),
    After = now_ms() - Begun,
    Expected = lists:sort([{'EXIT', B, noconnection}, {'DOWN', ByPid, process, B, noconnection},
                           {'DOWN', ByName, process, {Name, node(B)}, noconnection}, {nodedown, node(B)}]),
    ?eq(Expected, Events),
    receive {Call, Result} -> ?eq({error, {nodedown, node(B)}}, Result)
    after 1000 -> check:fail(?LINE, "the call from ~w still waits", [node(A)])
    end,
    puppets:no_event(A),
    After >= From andalso After =< To
        orelse check:fail(?LINE, "~w was told after ~w ms, and ~w to ~w are right", [node(A), After, From, To]).

%% Messages to a node that one cannot reach yet are lost, so it takes a few.
finds(A, B) ->
    Mark = make_ref(),
    ?soon(begin
              ok = do(A, {send, B, {mark, Mark}}),
              receive {event, B, {mark, Mark}} -> true after 200 -> false end
          end),
    flush_marks(B, Mark).

flush_marks(B, Mark) ->
    receive {event, B, {mark, Mark}} -> flush_marks(B, Mark) after 300 -> ok end.

now_ms() -> erlang:monotonic_time(millisecond).

%%% Faults

a_closed_connection(Config) -> seen_by_both(Config, fun() -> disturb(["close"]) end, 0, 1000).

a_reset_connection(Config) -> seen_by_both(Config, fun() -> disturb(["reset"]) end, 0, 1000).

%% The other's host is gone, and says nothing of it: 3/4 to 5/4 of the ticktime since the last tick, which may be a quarter old.
silence(Config) -> seen_by_both(Config, fun() -> disturb(["silent", "both"]) end, 1900, 5600).

%% Only what goes to `two` is lost. `two` gives up and closes, which `one` sees; or `one` hears nothing once `two` has.
silence_one_way(Config) ->
    [seen_by_both(Config, fun() -> {ok, _} = proxy("two", ["silent", Way]), {ok, _} = proxy("one", ["silent", Opposite]) end,
                  1900, 10600)
     || {Way, Opposite} <- [{"forth", "back"}, {"back", "forth"}]].

%% The process is stopped, as a debugger or a full machine does it: its sockets live on.
a_stopped_process(Config) ->
    {A, B} = pair(Config),
    Watch = watches(A, B, Config),
    {ok, _} = check:ask(["signal", "two", "STOP"]),
    Begun = now_ms(),
    told(A, Watch, Begun, 1900, 5600),
    {ok, _} = check:ask(["signal", "two", "CONT"]),
    ?soon(back_again("two", ?TWO)),
    finds(A, B),
    finds(B, A).

back_again(Id, Node) ->
    _ = [erlang:disconnect_node(Node) || net_adm:ping(Node) =:= pang],
    Here = net_adm:ping(Node) =:= pong,
    Here andalso {ok, ""} =:= proxy(Id, ["pin"]).

%%% What must not be taken for a loss

watched_for(A, B, Config) ->
    Watch = watches(A, B, Config),
    fun() ->
            puppets:no_event(A),
            puppets:no_event(B),
            receive {Tag, Result} when Tag =:= map_get(call, Watch) -> check:fail(?LINE, "a call ended: ~0tp", [Result])
            after 0 -> ok
            end
    end.

%% Less than 3/4 of the ticktime, again and again.
a_short_silence_costs_nothing(Config) ->
    {A, B} = pair(Config),
    Unharmed = watched_for(A, B, Config),
    [begin disturb(["silent", "both"]), timer:sleep(1600), disturb(["heal"]), timer:sleep(1200) end || _ <- lists:seq(1, 4)],
    Unharmed(),
    finds(A, B),
    finds(B, A).

%% For three ticktimes only one of the two has something to say.
one_way_traffic_is_traffic(Config) ->
    {A, B} = pair(Config),
    Unharmed = watched_for(A, B, Config),
    [begin
         ok = do(From, {send, To, {number, N}}),
         ?eq({number, N}, event(To, 2000)),
         timer:sleep(100)
     end || {From, To} <- [{A, B}, {B, A}], N <- lists:seq(1, 100)],
    Unharmed().

%% Large messages on a line that needs ten seconds for them, in both directions at once; ticks have no room between them.
a_slow_line_is_no_silence(Config) ->
    {A, B} = pair(Config),
    Unharmed = watched_for(A, B, Config),
    Body = binary:copy(<<"0123456789">>, 30000),
    disturb(["rate", "both", "30000"]),
    ok = do(A, {send, B, {large, Body}}),
    ok = do(B, {send, A, {large, Body}}),
    ?eq({large, Body}, event(A, 25000)),
    ?eq({large, Body}, event(B, 25000)),
    disturb(["heal"]),
    Unharmed().

delays_keep_the_order(Config) ->
    {A, B} = pair(Config),
    disturb(["delay", "forth", "300"]),
    [ok = do(From, {send, To, {number, N}}) || N <- lists:seq(1, 300), {From, To} <- [{A, B}, {B, A}]],
    [?eq({number, N}, event(To, 5000)) || To <- [A, B], N <- lists:seq(1, 300)],
    disturb(["heal"]).

%%% Connecting on a bad line

disconnected(A, B) ->
    true = cut(A, node(B)),
    ?soon(not connected(A, node(B)) andalso not connected(B, node(A))).

cut(A, Node) when node(A) =:= ?ONE -> _ = do(A, {disconnect, Node}), true;
cut(_, _) -> true.

%% A BEAM is asked by rpc, a puppet by a command.
connected(Pid, Node) when node(Pid) =:= ?ONE -> lists:member(Node, do(Pid, {nodes, hidden}) ++ do(Pid, nodes));
connected(Pid, Node) ->
    case rpc:call(node(Pid), erlang, nodes, [connected], 2000) of
        Nodes when is_list(Nodes) -> lists:member(Node, Nodes);
        _ -> lists:member(Node, do(Pid, {nodes, hidden}) ++ do(Pid, nodes))
    end.

%% Whoever waits is told after the 7 s of a handshake; others are not held up meanwhile.
a_dial_into_silence_ends(Config) ->
    {A, B} = pair(Config),
    disconnected(A, B),
    disturb(["silent", "both"]),
    Begun = now_ms(),
    C = at(?ONE, Config),
    Call = tell(C, {call, {nobody, ?TWO}, a_question, infinity}),
    Ref = do(A, {monitor, B}),
    ?eq(?ONE, do(A, node)),
    ?eq({'DOWN', Ref, process, B, noconnection}, event(A, 9000)),
    receive {Call, Result} -> ?eq({error, {nodedown, ?TWO}}, Result)
    after 1000 -> check:fail(?LINE, "the call still waits", [])
    end,
    After = now_ms() - Begun,
    After > 6000 andalso After < 8500 orelse check:fail(?LINE, "it took ~w ms", [After]),
    disturb(["heal"]),
    finds(A, B),
    finds(B, A).

%% All or nothing: what comes is in order, and when something is missing the sender was told.
what_is_sent_while_a_dial_hangs_comes_in_order(Config) ->
    {A, B} = pair(Config),
    disconnected(A, B),
    disturb(["silent", "both"]),
    [ok = do(A, {send, B, {number, N}}) || N <- lists:seq(1, 500)],
    timer:sleep(2000),
    disturb(["heal"]),
    [ok = do(A, {send, B, {number, N}}) || N <- lists:seq(501, 600)],
    [?eq({number, N}, event(B, 5000)) || N <- lists:seq(1, 600)],
    puppets:no_event(B).

%% The line breaks again and again under traffic: what is received is an ordered part of what was sent, and no watcher is ever told
%% twice or forgotten.
flapping(Config) ->
    {A, B} = pair(Config),
    [begin
         Ref = do(A, {monitor, B}),
         [ok = do(A, {send, B, {number, N}}) || N <- lists:seq(1, 20)],
         disturb([lists:nth(1 + Round rem 2, ["close", "reset"])]),
         [ok = do(A, {send, B, {number, N}}) || N <- lists:seq(21, 40)],
         Down = event(A, 5000),
         ?eq({'DOWN', Ref, process, B, noconnection}, Down),
         finds_in_order(A, B)
     end || Round <- lists:seq(1, 30)],
    puppets:no_event(A).

finds_in_order(A, B) ->
    Mark = make_ref(),
    ok = do(A, {send, B, {mark, Mark}}),
    in_order(A, B, Mark, 0, now_ms() + 6000).

in_order(A, B, Mark, Last, Until) ->
    receive
        {event, B, {number, N}} when N > Last -> in_order(A, B, Mark, N, Until);
        {event, B, {number, N}} -> check:fail(?LINE, "number ~w came after ~w", [N, Last]);
        {event, B, {mark, Mark}} -> flush_marks(B, Mark)
    after 300 ->
            now_ms() < Until orelse check:fail(?LINE, "they do not find each other again", []),
            ok = do(A, {send, B, {mark, Mark}}),
            in_order(A, B, Mark, Last, Until)
    end.

%%% Nodes that die and come back

a_killed_node_that_comes_back(Config) ->
    {A, B} = pair(Config),
    comes_back(A, B, "two", fun() -> start_two(Config) end, Config).

a_killed_node_of_ours_that_comes_back(Config) ->
    {A, B} = pair(Config),
    comes_back(B, A, "one", fun() -> start_one() end, Config).

%% A lives, B's node is killed and started again under its name: nothing that belonged to the old one reaches the new one.
comes_back(A, B, Id, Start, Config) ->
    Watch = watches(A, B, Config),
    Node = node(B),
    Begun = now_ms(),
    {ok, _} = check:ask(["kill", Id]),
    told(A, Watch, Begun, 0, 1500),
    ?soon(not lists:member(Node, nodes(connected))),
    Start(),
    New = at(Node, Config),
    false = do(New, {trap_exit, true}),
    ?eq(false, puppets:creation(New) =:= puppets:creation(B)),
    finds(A, New),
    finds(New, A),
    Ref = do(A, {monitor, B}),
    ?eq({'DOWN', Ref, process, B, noproc}, event(A, 5000)),
    true = do(A, {link, B}),
    ?eq({'EXIT', B, noproc}, event(A, 5000)),
    ok = do(A, {send, B, to_the_dead}),
    true = do(A, {exit, B, kill}),
    puppets:fence(A, New),
    puppets:no_event(New),
    puppets:no_event(A).
