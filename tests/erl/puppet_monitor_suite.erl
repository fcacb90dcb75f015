%% Monitors between any two processes, and node monitors.
-module(puppet_monitor_suite).
-export([all/0, an_end_is_told_with_its_reason/1, the_dead_are_noproc_at_once/1, names_are_monitored/1, names_of_nobody_are_noproc/1,
         each_monitor_fires_once/1, demonitor_is_final/1, demonitor_takes_back_with_flush/1, demonitor_informs/1, another_nodes_monitor_is_refused/1,
         a_tag_takes_the_place_of_down/1, alias_options_of_a_monitor/1, a_monitor_of_oneself/1, an_alias_with_a_monitor_of_oneself/1, who_is_monitored_notices_nothing/1,
         a_down_comes_after_the_messages_before_it/1, large_reasons/1, monitors_of_many/1, monitors_fire_with_the_connection/1,
         nodes_are_monitored/1, a_killed_node_fires_all/1, a_name_is_watched_not_its_next_holder/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, events/2, no_event/1, seen/2, watch/1, ended/1, new/1, another/1, fence/2, same_everywhere/2]).

all() ->
    [an_end_is_told_with_its_reason, the_dead_are_noproc_at_once, names_are_monitored, names_of_nobody_are_noproc,
     each_monitor_fires_once, demonitor_is_final, demonitor_takes_back_with_flush, demonitor_informs, another_nodes_monitor_is_refused,
     a_tag_takes_the_place_of_down, alias_options_of_a_monitor, a_monitor_of_oneself,
     an_alias_with_a_monitor_of_oneself, who_is_monitored_notices_nothing,
     a_down_comes_after_the_messages_before_it, large_reasons, monitors_of_many, monitors_fire_with_the_connection,
     nodes_are_monitored, a_killed_node_fires_all, a_name_is_watched_not_its_next_holder].

%% A monitors B, and B's node knows.
monitored(A, What) -> monitored(A, What, []).
monitored(A, What, Options) ->
    Ref = case Options of [] -> do(A, {monitor, What}); _ -> do(A, {monitor, What, Options}) end,
    true = is_reference(Ref),
    is_pid(What) andalso What =/= A andalso fence(A, What),
    Ref.

an_end_is_told_with_its_reason(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            [begin
                                 B = another(B0),
                                 Ref = monitored(A, B),
                                 tell(B, {exit, Reason}),
                                 {'DOWN', Ref, process, B, Seen} = event(A),
                                 Seen
                             end || Reason <- [normal, shutdown, {shutdown, x}, kill, killed, noproc, "text", <<"b">>, #{a => [1.5]}, 17]]
                    end).

the_dead_are_noproc_at_once(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Ref0 = watch(B),
                            exit(B, kill),
                            killed = ended(Ref0),
                            Ref = do(A, {monitor, B}),
                            {'DOWN', Ref, process, B, Reason} = event(A),
                            Reason
                    end).

names_are_monitored(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            true = do(B, {register, monitored_name, B}),
                            Ref = do(A, {monitor, {monitored_name, node(B)}}),
                            fence(A, B),
                            Again = do(B, {monitor, monitored_name}),
                            true = do(B, {demonitor, Again, []}),
                            tell(B, {exit, gone}),
                            {'DOWN', Ref, process, What, Reason} = event(A),
                            {What, Reason}
                    end),
    %% By the bare name, which is one of the same node; the DOWN names both all the same.
    same_everywhere(Config,
                    fun(A, _) ->
                            C = another(A),
                            true = do(A, {register, bare_name, C}),
                            Ref = do(A, {monitor, bare_name}),
                            tell(C, {exit, gone}),
                            {'DOWN', Ref, process, What, Reason} = event(A),
                            {What, Reason}
                    end).

names_of_nobody_are_noproc(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Far = do(A, {monitor, {nobody_at_all, node(B)}}),
                            {'DOWN', Far, process, What1, Reason1} = event(A),
                            Near = do(A, {monitor, nobody_at_all}),
                            {'DOWN', Near, process, What2, Reason2} = event(A),
                            {What1, Reason1, What2, Reason2}
                    end).

each_monitor_fires_once(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Refs = [monitored(A, B) || _ <- lists:seq(1, 20)],
                            tell(B, {exit, over}),
                            Downs = events(A, 20),
                            true = lists:sort(Refs) =:= lists:sort([R || {'DOWN', R, process, _, over} <- Downs]),
                            timer:sleep(30),
                            seen(A, A)
                    end).

demonitor_is_final(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Ref = monitored(A, B),
                            true = do(A, {demonitor, Ref, []}),
                            fence(A, B),
                            Gone = watch(B),
                            tell(B, {exit, unseen}),
                            ended(Gone),
                            timer:sleep(50),
                            {seen(A, A), do(A, {demonitor, Ref, []}), do(A, {demonitor, make_a_ref(A), []})}
                    end).

make_a_ref(A) -> Ref = do(A, alias), true = do(A, {unalias, Ref}), Ref.

demonitor_takes_back_with_flush(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Keep = monitored(A, B),
                            Drop = monitored(A, B),
                            Waiting = puppets:busy(A, go),
                            Gone = watch(B),
                            tell(B, {exit, over}),
                            ended(Gone),
                            2 = puppets:queued(A, 2),
                            Asked = tell(A, {demonitor, Drop, [flush]}),
                            A ! go,
                            receive {Waiting, ok} -> ok end,
                            %% The DOWN was first in the queue: a puppet hands it on before it hears of the flush.
                            First = [element(2, E) || E <- events(A, 2)],
                            true = lists:sort(First) =:= lists:sort([Keep, Drop]),
                            receive {Asked, R} -> {R, seen(A, A)} end
                    end),
    same_everywhere(Config,
                    fun(A, B) ->
                            %% Here the flush comes first.
                            Ref = monitored(A, B),
                            Waiting = puppets:busy(A, go),
                            Asked = tell(A, {demonitor, Ref, [flush]}),
                            1 = puppets:queued(A, 1),
                            Gone = watch(B),
                            tell(B, {exit, over}),
                            ended(Gone),
                            2 = puppets:queued(A, 2),
                            A ! go,
                            receive {Waiting, ok} -> ok end,
                            receive {Asked, R} -> {R, seen(A, A)} end
                    end).

demonitor_informs(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Ref = monitored(A, B),
                            First = do(A, {demonitor, Ref, [info]}),
                            Second = do(A, {demonitor, Ref, [info]}),
                            Fired = monitored(A, B),
                            tell(B, {exit, over}),
                            event(A),
                            {First, Second, do(A, {demonitor, Fired, [info]}), do(A, {demonitor, Fired, [flush, info]}),
                             do(A, {demonitor, Fired, [flush]})}
                    end).

another_nodes_monitor_is_refused(Config) ->
    {One, Two} = puppets:nodes(Config),
    [begin
         P = new(One),
         Ref = watch(P),
         tell(P, {demonitor, Theirs, Options}),
         ?match({badarg, [_ | _]}, ended(Ref))
     end || Theirs <- [make_ref(), do(new(Two), alias)], Options <- [[], [info], [flush]]].

a_tag_takes_the_place_of_down(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            [begin
                                 B = another(B0),
                                 Ref = monitored(A, B, [{tag, Tag}]),
                                 tell(B, {exit, over}),
                                 {Tag, Ref, process, B, over} = event(A),
                                 %% And of the dead.
                                 Late = do(A, {monitor, B, [{tag, Tag}]}),
                                 {Tag, Late, process, B, Reason} = event(A),
                                 {Tag, Reason}
                             end || Tag <- [tagged, {my, [tag], 1.5}, 'DOWN', "text"]]
                    end).

alias_options_of_a_monitor(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            [begin
                                 B = another(B0),
                                 Ref = monitored(A, B, [{alias, Mode}]),
                                 ok = do(B, {send, Ref, {first, Mode}}),
                                 First = seen(A, B),
                                 ok = do(B, {send, Ref, {second, Mode}}),
                                 Second = seen(A, B),
                                 Info = do(A, {demonitor, Ref, [info]}),
                                 ok = do(B, {send, Ref, {third, Mode}}),
                                 Third = seen(A, B),
                                 Closed = do(A, {unalias, Ref}),
                                 ok = do(B, {send, Ref, {fourth, Mode}}),
                                 {First, Second, Info, Third, Closed, seen(A, B)}
                             end || Mode <- [explicit_unalias, demonitor, reply_demonitor]]
                    end),
    %% The DOWN closes the two that hang on the monitor, and not the explicit one.
    same_everywhere(Config,
                    fun(A, B0) ->
                            [begin
                                 B = another(B0),
                                 Ref = monitored(A, B, [{alias, Mode}]),
                                 tell(B, {exit, over}),
                                 {'DOWN', Ref, process, B, over} = event(A),
                                 C = another(B0),
                                 ok = do(C, {send, Ref, {after_down, Mode}}),
                                 {seen(A, C), do(A, {unalias, Ref})}
                             end || Mode <- [explicit_unalias, demonitor, reply_demonitor]]
                    end).

a_monitor_of_oneself(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            Ref = do(A, {monitor, A}),
                            {is_reference(Ref), do(A, {demonitor, Ref, [info]}), seen(A, A)}
                    end).

%% The BEAM makes nothing of it but the reference: the alias asked for is not open.
an_alias_with_a_monitor_of_oneself(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            [begin
                                 Ref = do(A, {monitor, A, [{alias, Mode}]}),
                                 ok = do(A, {send, Ref, to_oneself}),
                                 ok = do(B, {send, Ref, to_another}),
                                 {seen(A, A), seen(A, B), do(A, {unalias, Ref}), do(A, {demonitor, Ref, [info]})}
                             end || Mode <- [explicit_unalias, demonitor, reply_demonitor]]
                    end).

who_is_monitored_notices_nothing(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(B, {trap_exit, true}),
                            monitored(A, B),
                            Gone = watch(A),
                            tell(A, {exit, over}),
                            over = ended(Gone),
                            timer:sleep(30),
                            {seen(B, B), do(B, self)}
                    end).

a_down_comes_after_the_messages_before_it(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Ref = monitored(A, B),
                            [tell(B, {send, A, {N, binary:copy(<<N>>, N rem 7 * 20000)}}) || N <- lists:seq(1, 100)],
                            tell(B, {exit, finished}),
                            [case event(A) of
                                 {N, Body} -> {N, byte_size(Body)};
                                 {'DOWN', Ref, process, B, Reason} -> Reason
                             end || _ <- lists:seq(1, 101)]
                    end).

large_reasons(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            [begin
                                 B = another(B0),
                                 Ref = monitored(A, B),
                                 Reason = {large, binary:copy(<<7>>, Size), lists:seq(1, 2000)},
                                 tell(B, {exit, Reason}),
                                 {'DOWN', Ref, process, B, Seen} = event(A),
                                 Seen =:= Reason
                             end || Size <- [0, 64000, 66000, 1000000]]
                    end).

monitors_of_many(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Many = [another(B) || _ <- lists:seq(1, 200)],
                            Refs = [{do(A, {monitor, P}), P} || P <- Many],
                            [fence(A, P) || P <- Many],
                            [tell(P, {exit, {number, N}}) || {N, P} <- lists:zip(lists:seq(1, 200), Many)],
                            Downs = events(A, 200),
                            Found = [{R, P} || {'DOWN', R, process, P, _} <- Downs],
                            {lists:sort(Found) =:= lists:sort(Refs), lists:sort([N || {'DOWN', _, _, _, {number, N}} <- Downs])}
                    end).

%% Takes the connection between the two puppets' nodes down.
part(A, B) when node(A) =:= node() -> erlang:disconnect_node(node(B));
part(A, B) when node(B) =:= node() -> erlang:disconnect_node(node(A));
part(A, B) -> do({puppet, node(A)}, {disconnect, node(B)}).

monitors_fire_with_the_connection(Config) ->
    puppets:far_apart(Config,
                      fun(A, B) ->
                              ByPid = monitored(A, B),
                              Far = node(B),
                              true = do(B, {register, parted, B}),
                              ByName = do(A, {monitor, {parted, Far}}),
                              Back = monitored(B, A),
                              fence(A, B),
                              true = part(A, B),
                              Downs = [{'DOWN', ByPid, process, B, noconnection}, {'DOWN', ByName, process, {parted, Far}, noconnection}],
                              ?eq(lists:sort(Downs), lists:sort(events(A, 2))),
                              ?eq({'DOWN', Back, process, A, noconnection}, event(B)),
                              %% B lives, and can be monitored again.
                              ?soon(do(B, self) =:= B),
                              Again = monitored(A, B),
                              tell(B, {exit, over}),
                              ?eq({'DOWN', Again, process, B, over}, event(A)),
                              ok
                      end).

nodes_are_monitored(Config) ->
    puppets:far_apart(Config,
                      fun(A, B) ->
                              Far = node(B),
                              fence(A, B),
                              true = do(A, {monitor_node, Far, true}),
                              true = do(A, {monitor_node, Far, true}),
                              true = part(A, B),
                              %% Asked for twice, told twice.
                              ?eq([{nodedown, Far}, {nodedown, Far}], events(A, 2)),
                              %% Taken back: silence.
                              fence(A, B),
                              true = do(A, {monitor_node, Far, true}),
                              true = do(A, {monitor_node, Far, false}),
                              true = part(A, B),
                              no_event(A),
                              ok
                      end),
    %% One that is not there is down at once.
    A = new(check:node_of(Config)),
    true = do(A, {monitor_node, 'nosuch@localhost', true}),
    ?eq({nodedown, 'nosuch@localhost'}, puppets:event(A, 10000)).

a_killed_node_fires_all(Config) ->
    {One, _} = puppets:nodes(Config),
    {ready, Doomed, _, _, _} = check:start("puppet", "doomed", ["--sname", "doomed@localhost", "--cookie", atom_to_list(erlang:get_cookie())]),
    B = new(Doomed),
    A = new(One),
    ByPid = monitored(A, B),
    ByName = do(A, {monitor, {echo, Doomed}}),
    true = do(A, {monitor_node, Doomed, true}),
    Mine = monitor(process, B),
    fence(A, B),
    {ok, _} = check:ask(["kill", "doomed"]),
    ?eq(lists:sort([{'DOWN', ByPid, process, B, noconnection}, {'DOWN', ByName, process, {echo, Doomed}, noconnection}, {nodedown, Doomed}]),
        lists:sort(events(A, 3))),
    ?got({'DOWN', Mine, process, B, noconnection}),
    %% Nobody there: noconnection, after a try to connect.
    Late = do(A, {monitor, B}),
    ?eq({'DOWN', Late, process, B, noconnection}, puppets:event(A, 15000)).

a_name_is_watched_not_its_next_holder(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            First = another(B),
                            true = do(First, {register, passed_on, First}),
                            Ref = do(A, {monitor, {passed_on, node(B)}}),
                            fence(A, B),
                            %% The name goes to another; the monitor stays with who had it.
                            true = do(First, {unregister, passed_on}),
                            true = do(B, {register, passed_on, B}),
                            tell(First, {exit, the_first}),
                            {'DOWN', Ref, process, _, Reason} = event(A),
                            true = do(B, {unregister, passed_on}),
                            Reason
                    end).
