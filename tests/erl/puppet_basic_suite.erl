%% Commands of the puppet that need nobody else; owners and events; echo, sink, source.
-module(puppet_basic_suite).
-export([all/0, it_tells_about_itself/1, unknown_commands_are_said_back/1, a_spawned_puppet_reports_to_its_owner/1,
         the_registered_puppet_reports_to_nobody/1, spawned_puppets_are_linked_or_monitored/1, names_follow_otps_rules/1,
         a_name_goes_with_its_process/1, a_name_is_found_from_afar/1, group_leaders_are_set_got_and_inherited/1,
         timers_fire_and_are_cancelled/1, a_timer_to_a_name_fires/1, await_leaves_the_rest_in_order/1, mailbox_len_counts_what_waits/1,
         a_long_queue_is_passed_over/1, sink_counts/1, source_sends/1, echo_echoes/1, stats_count/1, nothing_leaks/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, events/2, no_event/1, seen/2, watch/1, ended/1, new/1, same_everywhere/2]).

all() ->
    [it_tells_about_itself, unknown_commands_are_said_back, a_spawned_puppet_reports_to_its_owner,
     the_registered_puppet_reports_to_nobody, spawned_puppets_are_linked_or_monitored, names_follow_otps_rules,
     a_name_goes_with_its_process, a_name_is_found_from_afar, group_leaders_are_set_got_and_inherited,
     timers_fire_and_are_cancelled, a_timer_to_a_name_fires, await_leaves_the_rest_in_order, mailbox_len_counts_what_waits,
     a_long_queue_is_passed_over, sink_counts, source_sends, echo_echoes, stats_count, nothing_leaks].

it_tells_about_itself(Config) ->
    Node = check:node_of(Config),
    Puppet = do({puppet, Node}, self),
    ?eq(Node, node(Puppet)),
    ?eq(Puppet, do(Puppet, self)),
    ?eq(Puppet, do(Puppet, {whereis, puppet})),
    ?eq(Node, do(Puppet, node)),
    ?eq(true, do(Puppet, is_alive)),
    %% To a hidden node every connection is a hidden one.
    ?eq(true, lists:member(node(), do(Puppet, {nodes, hidden}))),
    ?eq(false, lists:member(node(), do(Puppet, nodes))),
    Registered = do(Puppet, registered),
    ?eq([], [puppet, echo, sink, source] -- Registered).

unknown_commands_are_said_back(Config) ->
    P = new(check:node_of(Config)),
    [?eq({error, {bad_command, C}}, do(P, C)) || C <- [nonsense, {nonsense, 1}, [], 17, <<"self">>, {}, {link}, #{a => self()}, "self"]],
    ?eq(P, do(P, self)).

a_spawned_puppet_reports_to_its_owner(Config) ->
    P = new(check:node_of(Config)),
    [P ! M || M <- [hello, {1, 2}, "text", 3.5, {puppet, too, few}, {event, self(), x}]],
    ?eq([hello, {1, 2}, "text", 3.5, {puppet, too, few}, {event, self(), x}], events(P, 6)),
    %% The owner is who sent the spawn, not who commands.
    Self = self(),
    Other = spawn_link(fun() ->
                               Q = do(P, spawn),
                               Self ! {q, Q},
                               Self ! {other_saw, event(Q)}
                       end),
    receive {q, Q} -> ok after 5000 -> Q = none end,
    ?eq(Q, do(Q, self)),
    Q ! for_the_other,
    ?got({other_saw, for_the_other}),
    unlink(Other).

the_registered_puppet_reports_to_nobody(Config) ->
    Node = check:node_of(Config),
    {puppet, Node} ! hello,
    ?eq(Node, do({puppet, Node}, node)),
    ?none({event, _, _}).

spawned_puppets_are_linked_or_monitored(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            false = do(A, {trap_exit, true}),
                            Linked = do(A, spawn_link),
                            Ref1 = watch(Linked),
                            tell(Linked, {exit, {some, reason}}),
                            Reason = ended(Ref1),
                            {'EXIT', Linked, Seen} = event(A),
                            {Monitored, Ref2} = do(A, spawn_monitor),
                            tell(Monitored, {exit, another}),
                            {'DOWN', Ref2, process, Monitored, Down} = event(A),
                            Plain = do(A, spawn),
                            tell(Plain, {exit, unseen}),
                            timer:sleep(50),
                            Rest = seen(A, A),
                            %% And down again: the parent's end takes the linked one along.
                            Child = do(A, spawn_link),
                            Ref3 = watch(Child),
                            tell(A, {exit, parent_gone}),
                            {Reason, Seen, Down, Rest, ended(Ref3)}
                    end).

names_follow_otps_rules(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            P = do(A, spawn),
                            Q = do(A, spawn),
                            Dead = do(A, spawn),
                            Ref = watch(Dead),
                            exit(Dead, kill),
                            killed = ended(Ref),
                            Results =
                                [do(A, C) || C <- [{register, suite_name, P}, {register, suite_name, Q}, {register, suite_other, P},
                                                   {register, undefined, Q}, {register, suite_dead, Dead}, {whereis, suite_name},
                                                   {whereis, suite_nobody}, {unregister, suite_nobody}, {unregister, suite_name},
                                                   {whereis, suite_name}, {unregister, suite_name}, {register, suite_other, P},
                                                   {register, suite_name, Q}, {unregister, suite_other}, {unregister, suite_name},
                                                   {register, suite_far, self()}, {whereis, suite_far}]],
                            %% The tester's own pid is local only to puppets here.
                            case node(A) =:= node() of
                                true -> do(A, {unregister, suite_far});
                                false -> ok
                            end,
                            lists:sublist(Results, 15)
                    end),
    P = new(check:node_of(Config)),
    ?eq({error, badarg}, do(P, {register, suite_far, self()})),
    ?eq(undefined, do(P, {whereis, suite_far})).

a_name_goes_with_its_process(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            [begin
                                 P = do(A, spawn),
                                 true = do(A, {register, fleeting_name, P}),
                                 Ref = watch(P),
                                 tell(P, {exit, normal}),
                                 normal = ended(Ref),
                                 do(A, {whereis, fleeting_name})
                             end || _ <- lists:seq(1, 10)]
                    end).

a_name_is_found_from_afar(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            true = do(B, {register, far_name, B}),
                            ok = do(A, {send, {far_name, node(B)}, {hello, from, a}}),
                            First = event(B),
                            true = do(B, {unregister, far_name}),
                            ok = do(A, {send, {far_name, node(B)}, lost}),
                            {First, seen(B, A)}
                    end).

group_leaders_are_set_got_and_inherited(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Old = do(A, group_leader),
                            true = is_pid(Old),
                            true = node(Old) =:= node(A) orelse node(A) =:= node(),
                            true = do(A, {group_leader, B, A}),
                            Set = do(A, group_leader),
                            Child = do(A, spawn),
                            Inherited = do(Child, group_leader),
                            %% Set by another process, on another node perhaps.
                            true = do(B, {group_leader, self(), A}),
                            ok = do(B, {send, A, settled}),
                            settled = event(A),
                            {Set, Inherited, do(A, group_leader), do(Child, group_leader)}
                    end).

timers_fire_and_are_cancelled(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            Ref = do(A, {send_after, 30, A, {fired, 1}}),
                            true = is_reference(Ref),
                            Fired = event(A),
                            Over = do(A, {cancel_timer, Ref}),
                            Long = do(A, {send_after, 60000, A, never}),
                            Left = do(A, {cancel_timer, Long}),
                            Again = do(A, {cancel_timer, Long}),
                            do(A, {send_after, 900, A, third}),
                            do(A, {send_after, 300, A, first}),
                            do(A, {send_after, 600, A, second}),
                            Zero = do(A, {send_after, 0, A, at_once}),
                            true = is_reference(Zero),
                            at_once = event(A),
                            Unknown = do(A, {cancel_timer, make_ref()}),
                            {Fired, Over, Left > 55000 andalso Left =< 60000, Again, events(A, 3), Unknown}
                    end).

a_timer_to_a_name_fires(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            P = do(A, spawn),
                            true = do(A, {register, timed_name, P}),
                            do(A, {send_after, 20, timed_name, to_the_name}),
                            Got = event(P),
                            do(A, {send_after, 20, P, to_the_dead}),
                            Ref = watch(P),
                            tell(P, {exit, normal}),
                            ended(Ref),
                            timer:sleep(50),
                            {Got, do(A, {whereis, timed_name})}
                    end).

await_leaves_the_rest_in_order(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Waiting = puppets:busy(A, {wanted, 1.0}),
                            [do(B, {send, A, M}) || M <- [one, {wanted, 1}, two, {wanted, 1.0}, three]],
                            Result = receive {Waiting, R} -> R end,
                            Rest = [Result, events(A, 4)],
                            Late = do(A, {await, nothing, 30}),
                            %% What waits already is found at once.
                            {Rest, Late, do(A, {await, nothing, 0})}
                    end).

%% Commands sent to a puppet that awaits queue with the rest.
mailbox_len_counts_what_waits(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Waiting = puppets:busy(A, go),
                            [do(B, {send, A, M}) || M <- [1, 2, 3]],
                            Asked = tell(A, self),
                            C = puppets:another(A),
                            %% B's three are there once B's fence would be; the tester's own command comes on its own way.
                            Full = puppets:queued(A, 4),
                            A ! go,
                            ok = receive {Waiting, R} -> R end,
                            A = receive {Asked, S} -> S end,
                            [1, 2, 3] = events(A, 3),
                            Empty = do(C, {mailbox_len, A}),
                            exit(C, kill),
                            Ref = watch(C),
                            ended(Ref),
                            {Full, Empty, do(A, {mailbox_len, C})}
                    end).

a_long_queue_is_passed_over(Config) ->
    P = new(check:node_of(Config)),
    N = 100000,
    Waiting = puppets:busy(P, go),
    [P ! I || I <- lists:seq(1, N)],
    P ! go,
    receive {Waiting, R} -> ?eq(ok, R) after 20000 -> check:fail(?LINE, "not found behind ~w messages", [N]) end,
    [receive {event, P, Got} -> Got =:= I orelse check:fail(?LINE, "~w came in place of ~w", [Got, I])
     after 10000 -> check:fail(?LINE, "~w is missing", [I])
     end || I <- lists:seq(1, N)].

sink_counts(Config) ->
    Sink = {sink, check:node_of(Config)},
    Count = fun() -> Ref = make_ref(), Sink ! {self(), Ref, count}, receive {Ref, N} -> N after 10000 -> none end end,
    Count(),
    [Sink ! {N, <<"body">>} || N <- lists:seq(1, 1000)],
    ?eq(1000, Count()),
    ?eq(0, Count()),
    [Sink ! M || M <- [{self(), not_a_count}, {self(), make_ref(), other}, count, rand:bytes(300000)]],
    ?eq(4, Count()).

source_sends(Config) ->
    Source = {source, check:node_of(Config)},
    Term = {term, [1, 2.5, "three"], <<"four">>},
    Source ! {self(), 500, Term},
    [?got(Term) || _ <- lists:seq(1, 500)],
    ?got({source, done, 500}),
    Source ! {self(), 0, Term},
    ?got({source, done, 0}),
    Source ! {self(), 3, rand:bytes(200000)},
    [?got(B when byte_size(B) =:= 200000) || _ <- [1, 2, 3]],
    ?got({source, done, 3}).

echo_echoes(Config) ->
    {echo, check:node_of(Config)} ! {self(), {some, term}},
    ?got({echo, {some, term}}).

stats_count(Config) ->
    Node = check:node_of(Config),
    P = new(Node),
    Before = do(P, stats),
    ?eq([], [processes, connections, messages_in, messages_out, bytes_in, bytes_out] -- maps:keys(Before)),
    [?eq(true, is_integer(V) andalso V >= 0) || K <- [processes, connections, messages_in, messages_out, bytes_in, bytes_out],
                                                V <- [map_get(K, Before)]],
    ?eq(true, map_get(connections, Before) >= 1),
    {echo, Node} ! {self(), rand:bytes(100000)},
    ?got({echo, _}),
    Children = [do(P, spawn) || _ <- lists:seq(1, 50)],
    After = do(P, stats),
    ?eq(true, map_get(bytes_in, After) - map_get(bytes_in, Before) >= 100000),
    ?eq(true, map_get(bytes_out, After) - map_get(bytes_out, Before) >= 100000),
    ?eq(true, map_get(messages_in, After) > map_get(messages_in, Before)),
    ?eq(true, map_get(messages_out, After) > map_get(messages_out, Before)),
    ?eq(true, map_get(processes, After) >= map_get(processes, Before) + 50),
    [exit(C, kill) || C <- Children].

%% Processes that ended are counted nowhere, whatever they had: names, links, monitors, aliases, timers.
nothing_leaks(Config) ->
    Node = check:node_of(Config),
    P = new(Node),
    Processes = fun() -> map_get(processes, do(P, stats)) end,
    Before = Processes(),
    [begin
         Q = do(P, spawn_link),
         true = do(P, {unlink, Q}),
         true = do(Q, {register, leaky, Q}),
         do(Q, {monitor, self()}),
         do(Q, alias),
         do(Q, {link, P}),
         do(Q, {unlink, P}),
         do(Q, {send_after, 60000, Q, late}),
         Ref = watch(Q),
         tell(Q, {exit, normal}),
         ?eq(normal, ended(Ref))
     end || _ <- lists:seq(1, 300)],
    ?soon(Processes() =< Before + 5).
