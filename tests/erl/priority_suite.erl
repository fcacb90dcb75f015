%% Priority messages and exits of OTP 28 and later, to a puppet's alias. (exit/3 by apply: older compilers know none.)
-module(priority_suite).
-export([all/0, a_priority_message_goes_ahead/1, a_priority_exit_goes_ahead/1, an_ordinary_alias_takes_no_priority/1,
         large_priority_messages/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, events/2, same_everywhere/3]).

all() ->
    [a_priority_message_goes_ahead, a_priority_exit_goes_ahead, an_ordinary_alias_takes_no_priority, large_priority_messages].

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
