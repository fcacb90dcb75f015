%% Links and exit signals between any two processes: on one node, on two, a BEAM's and ours.
-module(puppet_link_suite).
-export([all/0, an_exit_reaches_a_linked_trapper/1, an_exit_takes_the_linked_along/1, a_normal_end_takes_nobody/1,
         unlink_is_final/1, linking_twice_is_one_link/1, links_made_and_unmade_in_haste/1, both_sides_link_and_unlink_at_once/1,
         a_link_to_the_dead/1, a_link_to_oneself/1, a_chain_falls/1, many_links_of_one/1, exit_signals_of_every_reason/1,
         an_exit_signal_to_oneself/1, kill_cannot_be_trapped/1, exit_signals_to_the_dead_are_true/1, a_large_reason/1,
         a_panic_is_a_reason/1, an_exit_comes_after_the_messages_before_it/1, links_break_with_the_connection/1,
         a_killed_node_breaks_links/1, trap_exit_tells_its_old_value/1, an_unlink_empties_no_mailbox/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, events/2, no_event/1, seen/2, watch/1, ended/1, new/1, another/1, same_everywhere/2]).

all() ->
    [an_exit_reaches_a_linked_trapper, an_exit_takes_the_linked_along, a_normal_end_takes_nobody, unlink_is_final,
     linking_twice_is_one_link, links_made_and_unmade_in_haste, both_sides_link_and_unlink_at_once, a_link_to_the_dead,
     a_link_to_oneself, a_chain_falls, many_links_of_one, exit_signals_of_every_reason, an_exit_signal_to_oneself,
     kill_cannot_be_trapped, exit_signals_to_the_dead_are_true, a_large_reason, a_panic_is_a_reason,
     an_exit_comes_after_the_messages_before_it, links_break_with_the_connection, a_killed_node_breaks_links,
     trap_exit_tells_its_old_value, an_unlink_empties_no_mailbox].

reasons() -> [normal, shutdown, {shutdown, why}, kill, killed, noproc, "text", <<"binary">>, {a, [b], #{c => 1.5}}, 17, []].

an_exit_reaches_a_linked_trapper(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            do(A, {trap_exit, true}),
                            [begin
                                 B = another(B0),
                                 puppets:link(A, B),
                                 tell(B, {exit, Reason}),
                                 {'EXIT', B, Seen} = event(A),
                                 Seen
                             end || Reason <- reasons()]
                    end).

an_exit_takes_the_linked_along(Config) ->
    same_everywhere(Config,
                    fun(A0, B0) ->
                            [begin
                                 {A, B} = {another(A0), another(B0)},
                                 Ref = watch(A),
                                 puppets:link(A, B),
                                 tell(B, {exit, Reason}),
                                 ended(Ref)
                             end || Reason <- reasons(), Reason =/= normal]
                    end).

a_normal_end_takes_nobody(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            puppets:link(A, B),
                            Ref = watch(B),
                            tell(B, {exit, normal}),
                            normal = ended(Ref),
                            timer:sleep(50),
                            {seen(A, A), do(A, self)}
                    end).

unlink_is_final(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            puppets:link(A, B),
                            true = do(A, {unlink, B}),
                            puppets:fence(A, B),
                            Ref = watch(B),
                            tell(B, {exit, unseen}),
                            unseen = ended(Ref),
                            timer:sleep(50),
                            %% Unlinking what is not linked is true as well.
                            {seen(A, A), do(A, {unlink, B}), do(A, {unlink, A})}
                    end).

linking_twice_is_one_link(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            puppets:link(A, B), puppets:link(A, B), puppets:link(B, A),
                            tell(B, {exit, once}),
                            First = event(A),
                            timer:sleep(50),
                            {First, seen(A, A)}
                    end).

links_made_and_unmade_in_haste(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            do(B, {trap_exit, true}),
                            [begin tell(A, {link, B}), tell(A, {unlink, B}) end || _ <- lists:seq(1, 200)],
                            puppets:link(A, B),
                            flush_answers(),
                            tell(B, {exit, at_last}),
                            First = event(A),
                            timer:sleep(50),
                            {First, seen(A, A)}
                    end).

%% However the two cross, a link made after all of it holds, and one unmade does not.
both_sides_link_and_unlink_at_once(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            do(B, {trap_exit, true}),
                            [begin tell(A, {link, B}), tell(B, {link, A}), tell(A, {unlink, B}), tell(B, {unlink, A}) end
                             || _ <- lists:seq(1, 100)],
                            do(A, self), do(B, self),
                            [] = seen(A, B),
                            [] = seen(B, A),
                            puppets:link(A, B),
                            tell(B, {exit, at_last}),
                            First = event(A),
                            timer:sleep(50),
                            flush_answers(),
                            {First, seen(A, A)}
                    end).

flush_answers() ->
    receive {Tag, true} when is_reference(Tag) -> flush_answers()
    after 0 -> ok
    end.

a_link_to_the_dead(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Ref = watch(B),
                            exit(B, kill),
                            killed = ended(Ref),
                            do(A, {trap_exit, true}),
                            true = do(A, {link, B}),
                            Trapped = event(A),
                            %% Who does not trap ends with it.
                            C = another(A),
                            Gone = watch(C),
                            tell(C, {link, B}),
                            {Trapped, ended(Gone)}
                    end).

a_link_to_oneself(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            Linked = do(A, {link, A}),
                            Ref = watch(A),
                            tell(A, {exit, done}),
                            {Linked, ended(Ref)}
                    end).

a_chain_falls(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Chain = lists:append([[another(A), another(B)] || _ <- lists:seq(1, 10)]),
                            lists:foldl(fun(P, Before) -> puppets:link(P, Before), P end, A, Chain),
                            Refs = [watch(P) || P <- [A | Chain]],
                            tell(lists:last(Chain), {exit, falling}),
                            [ended(R) || R <- Refs]
                    end).

many_links_of_one(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Many = [another(B) || _ <- lists:seq(1, 200)],
                            [puppets:link(A, P) || P <- Many],
                            Refs = [watch(P) || P <- Many],
                            tell(A, {exit, all_of_you}),
                            lists:usort([ended(R) || R <- Refs])
                    end).

exit_signals_of_every_reason(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            [begin
                                 Trapping = another(B0),
                                 do(Trapping, {trap_exit, true}),
                                 true = do(A, {exit, Trapping, Reason}),
                                 Trapped = case Reason of
                                               kill -> ended(watch_dying(Trapping));
                                               _ -> event(Trapping)
                                           end,
                                 Plain = another(B0),
                                 Ref = watch(Plain),
                                 true = do(A, {exit, Plain, Reason}),
                                 Outcome = case Reason of
                                               normal -> {seen(Plain, A), do(Plain, self) =:= Plain};
                                               _ -> ended(Ref)
                                           end,
                                 exit(Trapping, kill),
                                 {Trapped, Outcome}
                             end || Reason <- reasons()]
                    end).

%% The kill was sent by another process: wait until the watching process can only see its effect.
watch_dying(Pid) ->
    timer:sleep(100),
    monitor(process, Pid).

an_exit_signal_to_oneself(Config) ->
    same_everywhere(Config,
                    fun(A0, _) ->
                            [begin
                                 Plain = another(A0),
                                 Ref = watch(Plain),
                                 tell(Plain, {exit, Plain, Reason}),
                                 Ended = ended(Ref),
                                 Trapping = another(A0),
                                 do(Trapping, {trap_exit, true}),
                                 Ref2 = watch(Trapping),
                                 tell(Trapping, {exit, Trapping, Reason}),
                                 Trapped = case Reason of
                                               kill -> ended(Ref2);
                                               _ -> {'EXIT', Trapping, R} = event(Trapping), R
                                           end,
                                 {Ended, Trapped}
                             end || Reason <- [normal, kill, shutdown, {some, reason}]]
                    end).

kill_cannot_be_trapped(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            C = another(A),
                            do(B, {trap_exit, true}),
                            do(C, {trap_exit, true}),
                            puppets:link(C, B),
                            Ref = watch(B),
                            true = do(A, {exit, B, kill}),
                            {'EXIT', B, Linked} = event(C),
                            {ended(Ref), Linked}
                    end).

exit_signals_to_the_dead_are_true(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Ref = watch(B),
                            exit(B, kill),
                            killed = ended(Ref),
                            [do(A, {exit, B, R}) || R <- [normal, kill, other]] ++ seen(A, A)
                    end).

a_large_reason(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            do(A, {trap_exit, true}),
                            [begin
                                 B = another(B0),
                                 puppets:link(A, B),
                                 Reason = {large, binary:copy(<<"0123456789">>, Size div 10), lists:seq(1, 1000)},
                                 Ref = watch(B),
                                 tell(B, {exit, Reason}),
                                 {'EXIT', B, Seen} = event(A),
                                 C = another(B0),
                                 do(C, {trap_exit, true}),
                                 do(A, {exit, C, Reason}),
                                 {'EXIT', A, Sent} = event(C),
                                 [Reason =:= R || R <- [Seen, Sent, ended(Ref)]]
                             end || Size <- [10, 60000, 200000, 2000000]]
                    end).

a_panic_is_a_reason(Config) ->
    same_everywhere(Config,
                    fun(A, B0) ->
                            do(A, {trap_exit, true}),
                            [begin
                                 B = another(B0),
                                 puppets:link(A, B),
                                 Ref = watch(B),
                                 tell(B, {panic, Text}),
                                 {'EXIT', B, Reason} = event(A),
                                 {Reason, ended(Ref)}
                             end || Text <- [<<"it broke">>, <<"größer ∀"/utf8>>, <<>>]]
                    end).

an_exit_comes_after_the_messages_before_it(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            puppets:link(A, B),
                            [tell(B, {send, A, {N, binary:copy(<<N>>, N rem 7 * 20000)}}) || N <- lists:seq(1, 100)],
                            tell(B, {exit, finished}),
                            [case event(A) of {N, Body} -> {N, byte_size(Body)}; Other -> Other end || _ <- lists:seq(1, 101)]
                    end).

trap_exit_tells_its_old_value(Config) ->
    same_everywhere(Config, fun(A, _) -> [do(A, {trap_exit, F}) || F <- [false, true, true, false, false]] end).

%% An EXIT that is in the mailbox stays there, unlinked or not.
an_unlink_empties_no_mailbox(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            puppets:link(A, B),
                            Waiting = puppets:busy(A, go),
                            Ref = watch(B),
                            tell(B, {exit, early}),
                            early = ended(Ref),
                            1 = puppets:queued(A, 1),
                            Unlinked = tell(A, {unlink, B}),
                            A ! go,
                            receive {Waiting, ok} -> ok end,
                            true = receive {Unlinked, U} -> U end,
                            event(A)
                    end).

%% Which of two puppets' nodes lets the other go; the tester's own connection is cut when it is one of them.
cut(A, B) ->
    case node(A) =:= node() of
        true -> true = erlang:disconnect_node(node(B));
        false -> do({puppet, node(A)}, {disconnect, node(B)})
    end.

links_break_with_the_connection(Config) ->
    puppets:far_apart(Config,
                      fun(A, B) ->
                              do(A, {trap_exit, true}),
                              do(B, {trap_exit, true}),
                              puppets:link(A, B),
                              tell_cut(A, B),
                              ?eq({'EXIT', B, noconnection}, event(A)),
                              ?eq({'EXIT', A, noconnection}, event(B)),
                              %% Both live on, and can be linked again.
                              ?soon(node(A) =:= do(A, node)),
                              ?eq([], seen(B, A)),
                              puppets:link(A, B),
                              tell(B, {exit, later}),
                              ?eq({'EXIT', B, later}, event(A)),
                              ok
                      end).

%% Where the cut is the tester's own connection the answer may be lost with it.
tell_cut(A, B) ->
    case node() =:= node(A) orelse node() =:= node(B) of
        true -> erlang:disconnect_node(case node(A) =:= node() of true -> node(B); false -> node(A) end);
        false -> cut(A, B)
    end.

a_killed_node_breaks_links(Config) ->
    {One, _} = puppets:nodes(Config),
    {ready, Doomed, _, _, _} = check:start("puppet", "doomed", ["--sname", "doomed@localhost", "--cookie", atom_to_list(erlang:get_cookie())]),
    B = new(Doomed),
    A = new(One),
    Mine = new(here),
    [do(P, {trap_exit, true}) || P <- [A, Mine]],
    [puppets:link(P, B) || P <- [A, Mine]],
    {ok, _} = check:ask(["kill", "doomed"]),
    ?eq({'EXIT', B, noconnection}, event(A)),
    ?eq({'EXIT', B, noconnection}, event(Mine)),
    %% Nobody there any more: the same again, after trying to connect.
    true = do(A, {link, B}),
    ?eq({'EXIT', B, noconnection}, puppets:event(A, 15000)).
