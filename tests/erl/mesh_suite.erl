%% A cluster with `prevent_overlapping_partitions` (the default from OTP 25 on) and a visible node of ours in it: it stays whole when that
%% node joins, leaves, is killed and comes back. The tester and two more Erlang nodes, all with that setting on.
-module(mesh_suite).
-export([all/0, three_beams_are_a_mesh/1, a_node_of_ours_is_pinged_and_joins/1, it_dials_one_and_meets_all/1,
         a_name_of_each_is_known_to_each/1, it_leaves_in_order/1, it_is_killed_and_comes_back/1, it_is_disconnected_and_found_again/1,
         two_of_ours_join/1, it_joins_two_clusters_into_one/1, a_beam_that_is_killed_is_missed/1, it_stops_for_a_while/1,
         a_hidden_node_changes_nothing/1, greetings_are_answered/1]).
-export([watcher/1, known/0]).
-include("check.hrl").
-import(puppets, [do/2, do/3]).

all() ->
    [three_beams_are_a_mesh, a_node_of_ours_is_pinged_and_joins, greetings_are_answered, a_name_of_each_is_known_to_each,
     it_leaves_in_order, it_dials_one_and_meets_all, it_is_killed_and_comes_back, it_is_disconnected_and_found_again,
     it_stops_for_a_while, two_of_ours_join, a_hidden_node_changes_nothing, it_joins_two_clusters_into_one,
     a_beam_that_is_killed_is_missed].

-define(B, 'b@localhost').
-define(C, 'c@localhost').
-define(OURS, 'ours@localhost').

beams() -> [node(), ?B, ?C].

beam(Id) ->
    {ok, _} = check:ask(["beam", Id, Id ++ "@localhost", cookie(), "-kernel", "prevent_overlapping_partitions", "true",
                         "-kernel", "net_ticktime", "4"]),
    list_to_atom(Id ++ "@localhost").

cookie() -> atom_to_list(erlang:get_cookie()).

ours(Id, Extra) ->
    {ready, Node, _, _, _} =
        check:start("puppet", Id, ["--sname", Id ++ "@localhost", "--cookie", cookie(), "--ticktime", "4" | Extra]),
    Node.

stop(Id) ->
    {ok, _} = check:ask(["signal", Id, "TERM"]),
    {ok, "0"} = check:ask(["wait", Id]).

at(Node, M, F, A) when Node =:= node() -> apply(M, F, A);
at(Node, M, F, A) -> erpc:call(Node, M, F, A, 5000).

%% Every Erlang node of Beams has exactly the others and Ours around it, and so has each of Ours.
whole(Beams, Ours) ->
    All = lists:sort(Beams ++ Ours),
    Others = fun(Node) -> lists:delete(Node, All) end,
    agreed([{Node, nodes, Others(Node), fun() -> at(Node, erlang, nodes, []) end} || Node <- Beams]
           ++ [{Node, nodes, Others(Node), fun() -> nodes_of(Node) end} || Node <- Ours]
           ++ [{Node, known, Others(Node), fun() -> at(Node, ?MODULE, known, []) end} || Node <- Beams]).

%% What a puppet node sees; a question that is lost with a connection is asked again by who waits for the answer.
nodes_of(Node) ->
    Tag = puppets:tell({puppet, Node}, nodes),
    receive {Tag, Nodes} -> Nodes after 2000 -> [no_answer] end.

%% All at last, with what is still missing told.
agreed(Views) -> agreed(Views, erlang:monotonic_time(millisecond) + 8000).

agreed(Views, Until) ->
    Wrong = [{Node, What, {wanted, Wanted}, {seen, Seen}} || {Node, What, Wanted, View} <- Views,
                                                             (Seen = lists:sort(View())) =/= Wanted],
    case Wrong of
        [] -> ok;
        _ ->
            erlang:monotonic_time(millisecond) < Until orelse check:fail(?LINE, "the mesh is not whole: ~0tp", [Wrong]),
            timer:sleep(50),
            agreed(Views, Until)
    end.

%% The nodes that global takes for one partition with its own.
known() -> gen_server:call(global_name_server, get_known).

%% Runs Fun, and then waits a while: no Erlang node may lose another meanwhile.
undivided(Fun) ->
    Watchers = [at(Node, erlang, spawn, [?MODULE, watcher, [self()]]) || Node <- beams()],
    [?got({watching, W}) || W <- Watchers],
    Value = Fun(),
    timer:sleep(1500),
    [W ! {told, self()} || W <- Watchers],
    [receive {lost, W, Lost} -> ?eq({node(W), []}, {node(W), [N || N <- Lost, lists:member(N, beams())]})
     after 5000 -> check:fail(?LINE, "no word of ~w", [node(W)])
     end || W <- Watchers],
    Value.

watcher(To) ->
    ok = net_kernel:monitor_nodes(true),
    To ! {watching, self()},
    watching([]).

watching(Lost) ->
    receive
        {nodedown, Node} -> watching([Node | Lost]);
        {told, To} -> To ! {lost, self(), Lost};
        _ -> watching(Lost)
    end.

three_beams_are_a_mesh(_) ->
    ?eq({ok, true}, application:get_env(kernel, prevent_overlapping_partitions)),
    [beam(Id) || Id <- ["b", "c"]],
    [?eq({ok, true}, at(N, application, get_env, [kernel, prevent_overlapping_partitions])) || N <- [?B, ?C]],
    pong = net_adm:ping(?B),
    pong = at(?B, net_adm, ping, [?C]),
    whole(beams(), []).

%% One Erlang node finds it; the others hear of it.
a_node_of_ours_is_pinged_and_joins(_) ->
    undivided(fun() ->
                      ?OURS = ours("ours", ["--visible"]),
                      pong = at(?C, net_adm, ping, [?OURS]),
                      whole(beams(), [?OURS])
              end).

%% What global and rex of another node say and ask of a visible one (`global:sync/0`, `rpc:multicall/3`, `gen_server:multi_call/2`).
greetings_are_answered(_) ->
    [?eq(ok, at(N, global, sync, [])) || N <- beams()],
    ?eq(pong, net_adm:ping(?OURS)),
    ?match({_, []}, rpc:multicall([?OURS | nodes()], erlang, node, [], 5000)),
    ?match({[_, _, _, _], []}, gen_server:multi_call([node() | nodes()], global_name_server, get_known, 5000)).

a_name_of_each_is_known_to_each(_) ->
    P = puppets:new(?OURS),
    yes = do(P, {global_register, of_ours}, 20000),
    Far = at(?C, erlang, spawn, [timer, sleep, [60000]]),
    yes = at(?C, global, register_name, [of_c, Far]),
    [begin
         ?soon(at(N, global, whereis_name, [of_ours]) =:= P),
         ?soon(at(N, global, whereis_name, [of_c]) =:= Far)
     end || N <- beams()],
    ?soon(do(P, {global_whereis, of_c}) =:= Far),
    ok = do(P, {global_unregister, of_ours}),
    exit(Far, kill).

it_leaves_in_order(_) ->
    undivided(fun() -> stop("ours"), whole(beams(), []) end).

it_dials_one_and_meets_all(_) ->
    undivided(fun() ->
                      ?OURS = ours("ours", ["--visible"]),
                      %% By way of a node that is in nobody's mesh.
                      Hand = puppets:new(ours("hand", [])),
                      Tag = make_ref(),
                      ok = do(Hand, {send, {puppet, ?OURS}, {puppet, do(Hand, self), Tag, {connect, ?B}}}),
                      ?eq({Tag, true}, puppets:event(Hand)),
                      whole(beams(), [?OURS]),
                      stop("hand")
              end).

it_is_killed_and_comes_back(_) ->
    [undivided(fun() ->
                       {ok, _} = check:ask(["kill", "ours"]),
                       whole(beams(), []),
                       ?OURS = ours("ours", ["--visible"]),
                       pong = at(lists:nth(1 + Round rem 3, beams()), net_adm, ping, [?OURS]),
                       whole(beams(), [?OURS])
               end) || Round <- [1, 2, 3]].

%% From either end. Nobody may be in two clusters then (prevent_overlapping_partitions): whom the others give up for it depends on
%% whose word comes first, as between BEAMs. Whoever then calls brings the mesh back.
it_is_disconnected_and_found_again(_) ->
    true = erlang:disconnect_node(?OURS),
    ?soon(not lists:member(?OURS, nodes())),
    timer:sleep(1500),
    found_again(),
    P = puppets:new(?OURS),
    true = do(P, {disconnect, ?B}),
    timer:sleep(1500),
    found_again().

found_again() ->
    ?soon([N || N <- [?OURS, ?B, ?C], net_adm:ping(N) =/= pong] =:= []),
    whole(beams(), [?OURS]).

%% Until all take it for dead. When it goes on, what the others said to its global before they parted still lies in its sockets, and
%% global (a BEAM's too) does not tell by which connection a word came: who calls before it has read all that may be parted from again.
it_stops_for_a_while(_) ->
    undivided(fun() ->
                      {ok, _} = check:ask(["signal", "ours", "STOP"]),
                      timer:sleep(6000),
                      whole(beams(), []),
                      {ok, _} = check:ask(["signal", "ours", "CONT"]),
                      timer:sleep(1500),
                      found_again()
              end).

two_of_ours_join(_) ->
    undivided(fun() ->
                      Second = ours("second", ["--visible"]),
                      pong = at(?B, net_adm, ping, [Second]),
                      whole(beams(), [?OURS, Second]),
                      {ok, _} = check:ask(["kill", "second"]),
                      whole(beams(), [?OURS])
              end).

a_hidden_node_changes_nothing(_) ->
    undivided(fun() ->
                      Hidden = ours("hidden", []),
                      [pong = at(N, net_adm, ping, [Hidden]) || N <- beams()],
                      whole(beams(), [?OURS]),
                      ?eq([], do({puppet, Hidden}, nodes)),
                      {ok, _} = check:ask(["kill", "hidden"]),
                      whole(beams(), [?OURS])
              end).

%% Two that have not met become one cluster by what ours knows, and stay one without it.
it_joins_two_clusters_into_one(_) ->
    New = 'd@localhost',
    Bridge = ours("bridge", ["--visible"]),
    undivided(fun() ->
                      beam("d"),
                      Hand = puppets:new(ours("hand", [])),
                      [begin
                           Tag = make_ref(),
                           ok = do(Hand, {send, {puppet, Bridge}, {puppet, do(Hand, self), Tag, {connect, Node}}}),
                           ?eq({Tag, true}, puppets:event(Hand))
                       end || Node <- [New, ?B]],
                      whole(beams() ++ [New], [?OURS, Bridge]),
                      {ok, _} = check:ask(["kill", "bridge"]),
                      whole(beams() ++ [New], [?OURS]),
                      stop("hand")
              end),
    undivided(fun() ->
                      {ok, _} = check:ask(["kill", "d"]),
                      whole(beams(), [?OURS])
              end).

a_beam_that_is_killed_is_missed(_) ->
    {ok, _} = check:ask(["kill", "c"]),
    whole([node(), ?B], [?OURS]),
    ?C = beam("c"),
    pong = net_adm:ping(?C),
    whole(beams(), [?OURS]).
