%% Messages, calls and casts between any two processes; order; nodes that connect and part; old creations.
-module(puppet_message_suite).
-export([all/0, order_holds_whatever_the_size/1, order_holds_from_many_senders/1, every_kind_of_destination/1, sends_to_nobody_are_ok/1,
         calls_are_answered/1, calls_fail_as_gen_server_has_it/1, casts_arrive/1, a_server_that_dies_while_asked/1,
         connections_are_made_and_ended/1, pings_answer/1, a_message_connects_two_puppet_nodes/1, an_old_creation_reaches_nobody/1,
         a_restarted_node_is_reached_anew/1, a_sender_of_much_is_not_lost/1, both_nodes_connect_at_once/1, a_pid_of_the_future/1,
         trace_tokens_travel/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, tell/2, event/1, events/2, seen/2, watch/1, ended/1, new/1, another/1, fence/2, same_everywhere/2, same_everywhere/3]).

all() ->
    [order_holds_whatever_the_size, order_holds_from_many_senders, every_kind_of_destination, sends_to_nobody_are_ok,
     calls_are_answered, calls_fail_as_gen_server_has_it, casts_arrive, a_server_that_dies_while_asked,
     connections_are_made_and_ended, pings_answer, a_message_connects_two_puppet_nodes, an_old_creation_reaches_nobody,
     a_restarted_node_is_reached_anew, a_sender_of_much_is_not_lost, both_nodes_connect_at_once, a_pid_of_the_future,
     trace_tokens_travel].

order_holds_whatever_the_size(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Sizes = [0, 10, 300000, 1, 70000, 65536, 5, 131072, 0, 65535],
                            Sent = [{N, lists:nth(1 + N rem 10, Sizes)} || N <- lists:seq(1, 100)],
                            [tell(A, {send, B, {N, binary:copy(<<N>>, Size)}}) || {N, Size} <- Sent],
                            do(A, self),
                            [{N, byte_size(Body)} || {N, Body} <- seen(B, A), Body =:= binary:copy(<<N>>, byte_size(Body))]
                    end).

order_holds_from_many_senders(Config) ->
    {One, Two} = puppets:nodes(Config),
    A = new(One),
    Senders = [new(P) || P <- [One, Two, here, Two, One, here]],
    [tell(S, {send, A, {K, N, binary:copy(<<K>>, (N * K) rem 4 * 30000)}}) || N <- lists:seq(1, 50), {K, S} <- lists:zip(lists:seq(1, 6), Senders)],
    All = [event(A) || _ <- lists:seq(1, 300)],
    [?eq(lists:seq(1, 50), [N || {K1, N, _} <- All, K1 =:= K]) || K <- lists:seq(1, 6)].

every_kind_of_destination(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            true = do(B, {register, destination, B}),
                            true = do(A, {register, near, A}),
                            Alias = do(B, alias),
                            [ok = do(A, {send, D, M}) || {D, M} <- [{B, to_pid}, {{destination, node(B)}, to_name}, {Alias, to_alias}]],
                            Far = seen(B, A),
                            [ok = do(A, {send, D, M}) || {D, M} <- [{near, to_own_name}, {{near, node(A)}, to_own_name_and_node}, {A, to_oneself}]],
                            Near = seen(A, A),
                            true = do(B, {unregister, destination}),
                            true = do(A, {unregister, near}),
                            {Far, Near}
                    end).

sends_to_nobody_are_ok(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Dead = another(B),
                            Ref = watch(Dead),
                            exit(Dead, kill),
                            ended(Ref),
                            Oks = [do(A, {send, D, lost}) || D <- [Dead, {nobody_there, node(B)}, nobody_here, {nobody, 'nosuch@localhost'}, make_ref()]],
                            {Oks, seen(A, A), do(A, {send, B, found}), seen(B, A)}
                    end).

%% A server of the tester's: answers, sleeps, dies.
server() ->
    spawn_link(fun() -> process_flag(trap_exit, true), serve() end).

serve() ->
    receive
        {'$gen_call', From, {double, N}} -> gen_server:reply(From, N * 2), serve();
        {'$gen_call', _, silence} -> serve();
        {'$gen_call', _, {die, Reason}} -> exit(Reason);
        {'$gen_call', From, {large, N}} -> gen_server:reply(From, binary:copy(<<"x">>, N)), serve();
        {'$gen_cast', {tell, Pid, What}} -> Pid ! {cast_came, What}, serve();
        stop -> ok
    end.

calls_are_answered(Config) ->
    Server = server(),
    register(doubling, Server),
    same_everywhere(Config,
                    fun(A, _) ->
                            [do(A, {call, D, R, T}) || D <- [Server, {doubling, node()}], R <- [{double, 21}, {double, 1 bsl 70}], T <- [5000, infinity]]
                                ++ [begin {ok, Body} = do(A, {call, Server, {large, N}, 5000}), byte_size(Body) end || N <- [0, 100000, 1000000]]
                    end),
    Server ! stop.

calls_fail_as_gen_server_has_it(Config) ->
    Server = server(),
    {One, Two} = puppets:nodes(Config),
    {Dead, Ref} = spawn_monitor(fun() -> ok end),
    ?got({'DOWN', Ref, process, Dead, normal}),
    same_everywhere(Config, [{One, One}],
                    fun(A, _) ->
                            [do(A, {call, D, R, T}) || {D, R, T} <- [{Server, silence, 50}, {Server, silence, 0}, {{nobody, node()}, hello, 5000},
                                                                     {nobody, hello, 5000}, {{nobody, Two}, hello, 5000}, {Dead, hello, 5000}]]
                    end),
    [?eq({error, {nodedown, 'nosuch@localhost'}}, do(P, {call, {anybody, 'nosuch@localhost'}, hello, 8000})) || P <- [new(here), new(One)]],
    unlink(Server),
    Server ! stop.

a_server_that_dies_while_asked(Config) ->
    {One, _} = puppets:nodes(Config),
    same_everywhere(Config, [{One, One}],
                    fun(A, _) ->
                            [begin
                                 Server = server(),
                                 unlink(Server),
                                 do(A, {call, Server, {die, Reason}, 5000})
                             end || Reason <- [normal, shutdown, {crash, [<<"reason">>]}, kill, noproc]]
                    end).

casts_arrive(Config) ->
    Server = server(),
    register(casting, Server),
    same_everywhere(Config,
                    fun(A, _) ->
                            Oks = [do(A, {cast, D, {tell, self(), N}}) || {N, D} <- [{1, Server}, {2, {casting, node()}}]],
                            Came = [receive {cast_came, N} -> N after 5000 -> missing end || N <- [1, 2]],
                            {Oks, Came, [do(A, {cast, D, lost}) || D <- [nobody, {nobody, node()}, {nobody, 'nosuch@localhost'}]]}
                    end),
    Server ! stop.

connections_are_made_and_ended(Config) ->
    {One, Two} = puppets:nodes(Config),
    P = new(One),
    do(P, {disconnect, Two}),
    ?soon(not lists:member(Two, do(P, {nodes, hidden}))),
    ?eq(true, do(P, {connect, Two})),
    ?eq(true, lists:member(Two, do(P, {nodes, hidden}))),
    ?soon(lists:member(One, do({puppet, Two}, {nodes, hidden}))),
    ?eq(true, do(P, {connect, Two})),
    ?eq(true, do(P, {disconnect, Two})),
    ?eq(false, do(P, {disconnect, Two})),
    ?soon(not lists:member(One, do({puppet, Two}, {nodes, hidden}))),
    ?eq(false, do(P, {connect, 'nosuch@localhost'})),
    ?eq(false, do(P, {disconnect, 'nosuch@localhost'})),
    %% A BEAM, asked for by us.
    {ok, _} = check:ask(["beam", "other", "other@localhost", atom_to_list(erlang:get_cookie())]),
    ?eq(true, do(P, {connect, 'other@localhost'})),
    ?eq(true, lists:member(One, rpc:call('other@localhost', erlang, nodes, [hidden]))),
    ?eq(false, lists:member(One, rpc:call('other@localhost', erlang, nodes, []))),
    ?eq(true, do(P, {disconnect, 'other@localhost'})),
    ?soon(not lists:member(One, rpc:call('other@localhost', erlang, nodes, [hidden]))).

pings_answer(Config) ->
    {One, Two} = puppets:nodes(Config),
    P = new(One),
    [?eq(pong, do(P, {ping, N})) || N <- [Two, node(), One]],
    ?eq(pang, do(P, {ping, 'nosuch@localhost'})),
    [?eq(pong, net_adm:ping(N)) || N <- [One, Two]].

a_message_connects_two_puppet_nodes(Config) ->
    {One, Two} = puppets:nodes(Config),
    A = new(One),
    B = new(Two),
    [begin
         do(A, {disconnect, Two}),
         ok = do(A, {send, B, {hello, N}}),
         ?eq({hello, N}, event(B)),
         do(B, {disconnect, One}),
         ok = do(B, {send, A, {hello, N}}),
         ?eq({hello, N}, event(A))
     end || N <- lists:seq(1, 20)].

both_nodes_connect_at_once(Config) ->
    {One, Two} = puppets:nodes(Config),
    A = new(One),
    B = new(Two),
    [begin
         do(A, {disconnect, Two}),
         ?soon(not lists:member(One, do(B, {nodes, hidden}))),
         tell(A, {send, B, {crossing, N}}),
         tell(B, {send, A, {crossing, N}}),
         ?eq({crossing, N}, event(B)),
         ?eq({crossing, N}, event(A))
     end || N <- lists:seq(1, 30)].

%% What a pid of an earlier life of the node names is nobody, though its number may be taken.
an_old_creation_reaches_nobody(Config) ->
    Node = check:node_of(Config),
    P = new(Node),
    <<131, 88, Rest/binary>> = term_to_binary(P),
    Size = byte_size(Rest) - 4,
    <<Same:Size/binary, Creation:32>> = Rest,
    process_flag(trap_exit, true),
    [begin
         Old = binary_to_term(<<131, 88, Same/binary, (Creation + D):32>>),
         ?eq(false, Old =:= P),
         Old ! lost,
         exit(Old, kill),
         Ref = monitor(process, Old),
         receive {'DOWN', Ref, process, Old, R1} -> ?eq(true, lists:member(R1, [noproc, noconnection]))
         after 5000 -> check:fail(?LINE, "no DOWN for a pid of another creation", [])
         end,
         link(Old),
         receive {'EXIT', Old, R2} -> ?eq(true, lists:member(R2, [noproc, noconnection]))
         after 5000 -> check:fail(?LINE, "no EXIT for a pid of another creation", [])
         end,
         Q = new(Node),
         do(Q, {trap_exit, true}),
         LocalRef = do(Q, {monitor, Old}),
         ?match({'DOWN', LocalRef, process, Old, _}, event(Q)),
         do(Q, {link, Old}),
         ?match({'EXIT', Old, _}, event(Q)),
         ok = do(Q, {send, Old, lost}),
         true = do(Q, {exit, Old, kill}),
         fence(Q, P)
     end || D <- [1, -1, 77]],
    ?eq(P, do(P, self)),
    puppets:no_event(P).

a_restarted_node_is_reached_anew(_) ->
    Start = fun() ->
                    {ready, N, _, _, _} = check:start("puppet", "phoenix", ["--sname", "phoenix@localhost", "--cookie", atom_to_list(erlang:get_cookie())]),
                    N
            end,
    Node = Start(),
    First = new(Node),
    FirstAlias = do(First, alias),
    {ok, _} = check:ask(["kill", "phoenix"]),
    ?soon(not lists:member(Node, nodes(connected))),
    {ok, Names0} = {ok, fun() -> {ok, L} = net_adm:names(localhost), L end},
    ?soon(not lists:keymember("phoenix", 1, Names0())),
    Node = Start(),
    Second = new(Node),
    ?eq(false, puppets:creation(First) =:= puppets:creation(Second)),
    First ! lost,
    FirstAlias ! lost,
    exit(First, kill),
    Ref = monitor(process, First),
    ?got({'DOWN', Ref, process, First, R} when R =:= noproc; R =:= noconnection),
    ?eq(Second, do(Second, self)),
    puppets:no_event(Second).

a_sender_of_much_is_not_lost(Config) ->
    Node = check:node_of(Config),
    P = new(Node),
    Sink = {sink, Node},
    Ref0 = make_ref(),
    Sink ! {self(), Ref0, count},
    ?got({Ref0, _}),
    Body = rand:bytes(200000),
    [Sink ! {N, Body} || N <- lists:seq(1, 200)],
    [tell(P, {send, {sink, Node}, {N, Body}}) || N <- lists:seq(1, 100)],
    do(P, self, 20000),
    Ref = make_ref(),
    Sink ! {self(), Ref, count},
    receive {Ref, N} -> ?eq(300, N) after 20000 -> check:fail(?LINE, "sink does not answer", []) end.

a_pid_of_the_future(Config) ->
    Node = check:node_of(Config),
    [begin
         Ref = monitor(process, Pid),
         ?got({'DOWN', Ref, process, Pid, R} when R =:= noproc; R =:= noconnection),
         Pid ! lost
     end || Pid <- [terms:foreign_pid(Node, 16#7fff, 16#1fff, 5), terms:foreign_pid(Node, 16#7fff, 0, puppets:creation(new(Node)))]],
    ?eq(Node, do({puppet, Node}, node)).

%% seq_trace tokens make other control messages of the same signals; nothing may be lost for it.
trace_tokens_travel(Config) ->
    {One, Two} = puppets:nodes(Config),
    seq_trace:set_token(label, 17),
    seq_trace:set_token(send, true),
    [begin
         P = new(Node),
         Q = do(P, spawn_link),
         {R, Ref} = do(P, spawn_monitor),
         do(P, {trap_exit, true}),
         {puppet, Node} ! {puppet, self(), tagged, self},
         ?got({tagged, _}),
         Alias = do(P, alias),
         Alias ! through_the_alias,
         ?eq(through_the_alias, event(P)),
         exit(Q, {some, reason}),
         ?eq({'EXIT', Q, {some, reason}}, event(P)),
         exit(R, bye),
         ?eq({'DOWN', Ref, process, R, bye}, event(P)),
         P ! {large, binary:copy(<<1>>, 200000)},
         ?match({large, _}, event(P)),
         M = monitor(process, P),
         tell(P, {exit, over}),
         ?got({'DOWN', M, process, P, over})
     end || Node <- [One, Two]],
    seq_trace:set_token([]).
