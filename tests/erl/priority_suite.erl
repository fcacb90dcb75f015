%% Priority messages and exits of OTP 28 and later, to a puppet's alias. (exit/3 by apply: older compilers know none.)
-module(priority_suite).
-export([all/0, a_priority_message_goes_ahead/1, a_priority_exit_goes_ahead/1, an_ordinary_alias_takes_no_priority/1,
         large_priority_messages/1, a_priority_link_goes_ahead/1, a_priority_monitor_goes_ahead/1, priority_from_a_puppet/1,
         priority_exits_of_every_reason/1, what_has_priority_is_traced/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, events/2, same_everywhere/2, same_everywhere/3]).

all() ->
    [a_priority_message_goes_ahead, a_priority_exit_goes_ahead, an_ordinary_alias_takes_no_priority, large_priority_messages,
     a_priority_link_goes_ahead, a_priority_monitor_goes_ahead, priority_from_a_puppet, priority_exits_of_every_reason,
     what_has_priority_is_traced].

known(#{own := "false"}) -> check:skip("another program than ours may run on a release without them", []);
known(_) ->
    list_to_integer(erlang:system_info(otp_release)) >= 28 orelse check:skip("OTP ~s has no priority messages", [erlang:system_info(otp_release)]).

%% The tester sends; only where the receiver is changes.
places(Config) -> {One, _} = puppets:nodes(Config), [{One, One}].

%% Ordinary messages wait in A's mailbox, then something with priority comes, then A looks.
after_waiting(A, Send) ->
    Waiting = puppets:busy(A, go),
    [A ! N || N <- [1, 2, 3]],
    Send(),
    A ! go,
    receive {Waiting, ok} -> ok after 5000 -> check:fail(0, "go was not seen", []) end.

a_priority_message_goes_ahead(Config) ->
    known(Config),
    same_everywhere(Config, places(Config),
                    fun(A, _) ->
                            Alias = do(A, {alias, [priority]}),
                            after_waiting(A, fun() -> erlang:send(Alias, first, [priority]), erlang:send(Alias, second, [priority]), Alias ! plain end),
                            events(A, 6)
                    end).

a_priority_exit_goes_ahead(Config) ->
    known(Config),
    same_everywhere(Config, places(Config),
                    fun(A, _) ->
                            do(A, {trap_exit, true}),
                            Alias = do(A, {alias, [priority]}),
                            after_waiting(A, fun() -> apply(erlang, exit, [Alias, {with, priority}, [priority]]), exit(A, without) end),
                            Trapped = events(A, 5),
                            %% Untrapped it ends the process.
                            B = puppets:another(A),
                            Other = do(B, {alias, [priority]}),
                            Ref = puppets:watch(B),
                            apply(erlang, exit, [Other, over, [priority]]),
                            {Trapped, puppets:ended(Ref)}
                    end).

an_ordinary_alias_takes_no_priority(Config) ->
    known(Config),
    same_everywhere(Config, places(Config),
                    fun(A, _) ->
                            Alias = do(A, alias),
                            after_waiting(A, fun() -> erlang:send(Alias, asked_for, [priority]) end),
                            events(A, 4)
                    end).

large_priority_messages(Config) ->
    known(Config),
    same_everywhere(Config, places(Config),
                    fun(A, _) ->
                            Alias = do(A, {alias, [priority]}),
                            Body = binary:copy(<<"p">>, 300000),
                            after_waiting(A, fun() -> erlang:send(Alias, {large, Body}, [priority]) end),
                            [case E of {large, Body} -> large; _ -> E end || E <- events(A, 4)]
                    end).

%% Ordinary messages wait, and then Signals of somebody else's; then A looks.
after_signals(A, Signals, Send) ->
    Waiting = puppets:busy(A, go),
    [A ! N || N <- [1, 2, 3]],
    %% What comes from elsewhere has no order with these.
    ?eq(3, puppets:queued(A, 3)),
    Send(),
    ?eq(3 + Signals, puppets:queued(A, 3 + Signals)),
    A ! go,
    receive {Waiting, ok} -> ok after 5000 -> check:fail(0, "go was not seen", []) end.

%% How the exit of who is linked goes is a matter of who has linked with priority, and of no other.
a_priority_link_goes_ahead(Config) ->
    known(Config),
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            C = puppets:another(B),
                            D = puppets:another(B),
                            true = do(A, {link, B, [priority]}),
                            puppets:link(A, C),
                            %% Linked already: the priority is taken over.
                            puppets:link(A, D),
                            true = do(A, {link, D, [priority]}),
                            [puppets:fence(A, P) || P <- [B, C, D]],
                            after_signals(A, 1, fun() -> tell(B, {exit, with_priority}) end),
                            First = events(A, 4),
                            after_signals(A, 1, fun() -> tell(C, {exit, without}) end),
                            Second = events(A, 4),
                            after_signals(A, 1, fun() -> tell(D, {exit, taken_over}) end),
                            Third = events(A, 4),
                            [no_pids(E) || E <- First ++ Second ++ Third]
                    end).

no_pids({'EXIT', _, Reason}) -> {'EXIT', Reason};
no_pids(Other) -> Other.

a_priority_monitor_goes_ahead(Config) ->
    known(Config),
    same_everywhere(Config,
                    fun(A, B) ->
                            C = puppets:another(B),
                            do(A, {monitor, B, [priority, {tag, first}]}),
                            do(A, {monitor, C}),
                            [puppets:fence(A, P) || P <- [B, C]],
                            after_signals(A, 1, fun() -> tell(B, {exit, with_priority}) end),
                            First = events(A, 4),
                            after_signals(A, 1, fun() -> tell(C, {exit, without}) end),
                            Second = events(A, 4),
                            [case E of {Tag, _, process, _, Reason} -> {Tag, Reason}; _ -> E end || E <- First ++ Second]
                    end).

%% A puppet sends with priority: another puppet, or a process here, finds it ahead.
priority_from_a_puppet(Config) ->
    known(Config),
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            Alias = do(A, {alias, [priority]}),
                            Plain = do(A, alias),
                            after_signals(A, 4, fun() ->
                                                        do(B, {send, Alias, ordinary}), do(B, {send_priority, Plain, no_priority_there}),
                                                        do(B, {send_priority, Alias, ahead}), do(B, {exit_priority, Alias, exit_ahead})
                                                end),
                            [case E of {'EXIT', _, Reason} -> {'EXIT', Reason}; _ -> E end || E <- events(A, 7)]
                    end).

priority_exits_of_every_reason(Config) ->
    known(Config),
    same_everywhere(Config,
                    fun(A0, B) -> [priority_exit(puppets:another(A0), B, Trap, Reason) || Trap <- [true, false], Reason <- reasons()] end).

reasons() -> [normal, kill, shutdown, noproc, {some, ["reason"]}, binary:copy(<<"r">>, 100000)].

%% What comes of it at A.
priority_exit(A, B, Trap, Reason) ->
    do(A, {trap_exit, Trap}),
    Alias = do(A, {alias, [priority]}),
    Ref = puppets:watch(A),
    true = do(B, {exit_priority, Alias, Reason}),
    case {Trap, Reason} of
        {_, kill} -> puppets:ended(Ref);
        {true, _} -> {'EXIT', B, Seen} = event(A), exit(A, kill), {told, Seen};
        {false, normal} -> Seen = puppets:seen(A, B), exit(A, kill), {lives, Seen};
        {false, _} -> puppets:ended(Ref)
    end.

what_has_priority_is_traced(Config) ->
    known(Config),
    same_everywhere(Config,
                    fun(A, B) ->
                            do(A, {trap_exit, true}),
                            Alias = do(A, {alias, [priority]}),
                            [begin
                                 seq_trace:set_token(label, What),
                                 seq_trace:set_token(send, true),
                                 do(B, {What, Alias, traced}),
                                 seq_trace:set_token([]),
                                 Traced = {event(A), seq_trace:get_token()},
                                 seq_trace:set_token([]),
                                 Traced
                             end || What <- [send_priority, exit_priority]]
                    end).
