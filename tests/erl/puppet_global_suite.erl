%% global across BEAM and puppet nodes. Issue 6. Wants one hidden and one visible puppet node (node and node2).
-module(puppet_global_suite).
-export([all/0, global_names_are_registered_and_found/1, global_names_of_the_beam_are_found/1, global_send_reaches/1,
         a_global_name_goes_with_its_process/1, a_taken_global_name_is_refused/1, a_process_gets_one_global_name/1, names_reach_a_node_that_comes_later/1,
         a_cluster_syncs/1, the_smaller_of_two_nodes_keeps_a_name/1, a_hidden_node_asks_another/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, tell/2, event/1, new/1, ended/1]).

all() ->
    [global_names_are_registered_and_found, global_names_of_the_beam_are_found, global_send_reaches,
     a_global_name_goes_with_its_process, a_taken_global_name_is_refused, a_process_gets_one_global_name, names_reach_a_node_that_comes_later, a_cluster_syncs,
     the_smaller_of_two_nodes_keeps_a_name, a_hidden_node_asks_another].

%% global: the visible node takes part; a hidden one would go through a BEAM node.
visible(Config) -> {_, Two} = puppets:nodes(Config), pong = net_adm:ping(Two), global:sync(), new(Two).

global_names_are_registered_and_found(Config) ->
    P = visible(Config),
    ?eq(yes, do(P, {global_register, one_of_ours}, 20000)),
    ?soon(global:whereis_name(one_of_ours) =:= P),
    ?eq(P, do(P, {global_whereis, one_of_ours})),
    ?eq(ok, do(P, {global_unregister, one_of_ours})),
    ?soon(global:whereis_name(one_of_ours) =:= undefined),
    ?eq(undefined, do(P, {global_whereis, one_of_ours})).

global_names_of_the_beam_are_found(Config) ->
    P = visible(Config),
    yes = global:register_name({name, "of the beam"}, self()),
    ?soon(do(P, {global_whereis, {name, "of the beam"}}) =:= self()),
    global:unregister_name({name, "of the beam"}),
    ?soon(do(P, {global_whereis, {name, "of the beam"}}) =:= undefined).

global_send_reaches(Config) ->
    P = visible(Config),
    yes = global:register_name(tester_itself, self()),
    ?soon(do(P, {global_send, tester_itself, hello}) =:= self()),
    ?got(hello),
    ?eq({error, badarg}, do(P, {global_send, nobody_at_all, hello})),
    yes = do(P, {global_register, puppet_itself}, 20000),
    ?soon(global:whereis_name(puppet_itself) =:= P),
    global:send(puppet_itself, hello_puppet),
    ?eq(hello_puppet, event(P)),
    global:unregister_name(tester_itself),
    ok = do(P, {global_unregister, puppet_itself}).

a_global_name_goes_with_its_process(Config) ->
    P = visible(Config),
    yes = do(P, {global_register, mortal}, 20000),
    ?soon(global:whereis_name(mortal) =:= P),
    tell(P, {exit, over}),
    ?soon(global:whereis_name(mortal) =:= undefined).

a_taken_global_name_is_refused(Config) ->
    P = visible(Config),
    yes = global:register_name(taken_name, self()),
    ?soon(do(P, {global_whereis, taken_name}) =:= self()),
    ?eq(no, do(P, {global_register, taken_name}, 20000)),
    global:unregister_name(taken_name).

%% On either node; by a name that the BEAM gave it as well.
a_process_gets_one_global_name(Config) ->
    {One, _} = puppets:nodes(Config),
    pong = net_adm:ping(One),
    [begin
         ?eq(yes, do(P, {global_register, {first, of_node, node(P)}}, 20000)),
         ?eq(no, do(P, {global_register, {second, of_node, node(P)}}, 20000)),
         ?eq(undefined, do(P, {global_whereis, {second, of_node, node(P)}})),
         ?eq(ok, do(P, {global_unregister, {first, of_node, node(P)}})),
         ?eq(yes, do(P, {global_register, {second, of_node, node(P)}}, 20000)),
         ?eq(ok, do(P, {global_unregister, {second, of_node, node(P)}}))
     end || P <- [visible(Config), new(One)]],
    P = visible(Config),
    yes = global:register_name(given_by_the_beam, P),
    ?soon(do(P, {global_whereis, given_by_the_beam}) =:= P),
    ?eq(no, do(P, {global_register, taken_by_itself}, 20000)),
    global:unregister_name(given_by_the_beam).

other() ->
    {ok, _} = check:ask(["beam", "other", "other@localhost", atom_to_list(erlang:get_cookie())]),
    'other@localhost'.

names_reach_a_node_that_comes_later(Config) ->
    P = visible(Config),
    yes = do(P, {global_register, early}, 20000),
    Other = other(),
    pong = net_adm:ping(Other),
    ?soon(rpc:call(Other, global, whereis_name, [early]) =:= P),
    ?soon(lists:member(node(P), rpc:call(Other, erlang, nodes, []))),
    %% All three are one partition: a name of each is known to each.
    Far = spawn(Other, timer, sleep, [60000]),
    yes = rpc:call(Other, global, register_name, [far, Far]),
    ?soon(do(P, {global_whereis, far}) =:= Far),
    %% Of another process: one has one name.
    Q = new(node(P)),
    ?eq(no, do(Q, {global_register, far}, 20000)),
    yes = do(Q, {global_register, late}, 20000),
    ?soon(rpc:call(Other, global, whereis_name, [late]) =:= Q),
    ?soon(global:whereis_name(late) =:= Q),
    exit(Far, kill),
    ?soon(do(P, {global_whereis, far}) =:= undefined),
    %% The node goes, and its names.
    Last = spawn(Other, timer, sleep, [60000]),
    yes = rpc:call(Other, global, register_name, [last, Last]),
    ?soon(do(P, {global_whereis, last}) =:= Last),
    {ok, _} = check:ask(["kill", "other"]),
    ?soon(do(P, {global_whereis, last}) =:= undefined),
    ?eq(Q, do(P, {global_whereis, late})),
    [ok = do(P, {global_unregister, N}) || N <- [early, late]].

%% global:sync/0 waits for every visible node.
a_cluster_syncs(Config) ->
    P = visible(Config),
    Me = self(),
    spawn(fun() -> Me ! {synced, global:sync()} end),
    ?got({synced, ok}),
    ?eq(true, lists:member(node(P), nodes())).

%% Two that have not met have given the same name: when they meet the smaller node decides, and the process of the greater one
%% is killed.
the_smaller_of_two_nodes_keeps_a_name(Config) ->
    Cookie = atom_to_list(erlang:get_cookie()),
    [begin
         {ready, Node, _, _, _} = check:start("puppet", Name, ["--sname", Name ++ "@localhost", "--visible", "--cookie", Cookie]),
         Mine = spawn(timer, sleep, [60000]),
         yes = global:register_name(disputed, Mine),
         Theirs = registered_through_another(Config, Node, disputed),
         ?eq(false, lists:member(Node, nodes())),
         {Kept, Lost} = case node() < Node of
                            true -> {Mine, Theirs};
                            false -> {Theirs, Mine}
                        end,
         pong = net_adm:ping(Node),
         ?soon(global:whereis_name(disputed) =:= Kept),
         ?soon(whereis_at(Node, disputed) =:= Kept),
         Ref = monitor(process, Lost),
         ?match(Reason when Reason =:= killed; Reason =:= noproc, ended(Ref)),
         global:unregister_name(disputed),
         {ok, _} = check:ask(["kill", Name])
     end || Name <- ["a", "z"]].

%% A puppet of Node that has registered the name, made by way of the hidden node, so that Node and we have not met.
registered_through_another(Config, Node, Name) ->
    {One, _} = puppets:nodes(Config),
    Hand = new(One),
    true = do(Hand, {connect, Node}),
    Tag = make_ref(),
    do(Hand, {send, {puppet, Node}, {puppet, do(Hand, self), Tag, spawn}}),
    {Tag, Puppet} = event(Hand),
    do(Hand, {send, Puppet, {puppet, Hand, Tag, {global_register, Name}}}),
    ?eq({Tag, yes}, event(Hand)),
    Puppet.

whereis_at(Node, Name) -> do(new(Node), {global_whereis, Name}).

%% As a C node does it.
a_hidden_node_asks_another(Config) ->
    {One, _} = puppets:nodes(Config),
    pong = net_adm:ping(One),
    P = new(One),
    ?eq(yes, do(P, {global_register, of_the_hidden}, 20000)),
    ?soon(global:whereis_name(of_the_hidden) =:= P),
    ?soon(do(P, {global_whereis, of_the_hidden}) =:= P),
    ?eq(no, do(P, {global_register, of_the_hidden}, 20000)),
    ?eq(P, do(P, {global_send, of_the_hidden, hello})),
    ?eq(hello, event(P)),
    ?eq(ok, do(P, {global_unregister, of_the_hidden})),
    ?soon(do(P, {global_whereis, of_the_hidden}) =:= undefined),
    yes = do(P, {global_register, brief_and_hidden}, 20000),
    ?soon(global:whereis_name(brief_and_hidden) =:= P),
    tell(P, {exit, over}),
    ?soon(global:whereis_name(brief_and_hidden) =:= undefined).
