%% Sequential trace tokens: what a puppet takes over from what it receives, and puts into what it sends.
-module(puppet_trace_suite).
-export([all/0, a_token_is_counted_on_from_hop_to_hop/1, an_exit_signal_carries_its_senders_token/1, a_message_without_a_token_ends_the_trace/1,
         what_the_runtime_says_leaves_the_token_alone/1, an_exit_signal_without_a_token_ends_the_trace/1, a_call_and_its_reply_are_traced/1,
         a_label_may_be_large/1, a_token_goes_to_names_and_through_aliases/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, same_everywhere/2, same_everywhere/3]).

all() ->
    [a_token_is_counted_on_from_hop_to_hop, an_exit_signal_carries_its_senders_token, a_message_without_a_token_ends_the_trace,
     what_the_runtime_says_leaves_the_token_alone, an_exit_signal_without_a_token_ends_the_trace, a_call_and_its_reply_are_traced,
     a_label_may_be_large, a_token_goes_to_names_and_through_aliases].

%% With a token that has this label from here on.
label(Label) -> seq_trace:set_token(label, Label), seq_trace:set_token(send, true).

untraced() -> seq_trace:set_token([]).

%% What the message received last has left behind.
token() -> seq_trace:get_token().

a_token_is_counted_on_from_hop_to_hop(Config) ->
    same_everywhere(Config, fun(A, B) ->
                                    label(17),
                                    ok = do(A, {send, B, one}),
                                    Answered = token(),
                                    {one, First} = {event(B), token()},
                                    ok = do(B, {send, A, two}),
                                    {two, Second} = {event(A), token()},
                                    ok = do(A, {send, A, three}),
                                    {three, Third} = {event(A), token()},
                                    {send_after, Fourth} = begin do(A, {send_after, 1, A, send_after}), {event(A), token()} end,
                                    untraced(),
                                    [Answered, First, Second, Third, Fourth]
                            end).

an_exit_signal_carries_its_senders_token(Config) ->
    same_everywhere(Config, fun(A, B) ->
                                    do(A, {trap_exit, true}),
                                    puppets:link(A, B),
                                    label(5),
                                    true = do(B, {exit, A, called}),
                                    untraced(),
                                    Called = {event(A), token()},
                                    label(6),
                                    tell(B, {exit, ended}),
                                    untraced(),
                                    Ended = {event(A), token()},
                                    untraced(),
                                    [Called, Ended]
                            end).

a_message_without_a_token_ends_the_trace(Config) ->
    same_everywhere(Config, fun(A, B) ->
                                    label(7),
                                    do(A, self),
                                    untraced(),
                                    ok = do(A, {send, B, plain}),
                                    {event(B), token()}
                            end).

%% The one that is told is never a BEAM's process: before OTP 29 a DOWN from another node, of whatever kind, took its token away.
what_the_runtime_says_leaves_the_token_alone(Config) ->
    {One, Two} = puppets:nodes(Config),
    same_everywhere(Config, [{One, One}, {One, here}, {One, Two}], fun(A, B) ->
                                    do(A, {trap_exit, true}),
                                    do(A, {monitor, B}),
                                    puppets:fence(A, B),
                                    label(8),
                                    do(A, self),
                                    untraced(),
                                    tell(B, {exit, over}),
                                    Down = {event(A), token()},
                                    untraced(),
                                    Down
                            end).

%% An exit signal is somebody's, with a token or without one.
an_exit_signal_without_a_token_ends_the_trace(Config) ->
    same_everywhere(Config, fun(A, B) ->
                                    do(A, {trap_exit, true}),
                                    puppets:link(A, B),
                                    label(8),
                                    do(A, self),
                                    untraced(),
                                    tell(B, {exit, over}),
                                    Ended = {event(A), token()},
                                    label(9),
                                    do(A, self),
                                    untraced(),
                                    exit(A, untraced),
                                    Called = {event(A), token()},
                                    untraced(),
                                    [Ended, Called]
                            end).

%% It travels in the control message, which a BEAM then cuts into fragments.
a_label_may_be_large(Config) ->
    same_everywhere(Config, fun(A, B) ->
                                    label({large, binary:copy(<<"label">>, 60000)}),
                                    ok = do(A, {send, B, {one, binary:copy(<<"body">>, 60000)}}),
                                    untraced(),
                                    {{one, Body}, Token} = {event(B), token()},
                                    untraced(),
                                    {byte_size(Body), Token}
                            end).

a_token_goes_to_names_and_through_aliases(Config) ->
    same_everywhere(Config, fun(A, B) ->
                                    true = do(B, {register, traced_name, B}),
                                    Ways = [{do(B, alias), through_an_alias}, {do(B, {alias, [reply]}), through_a_reply_alias},
                                            {do(B, {monitor, A, [{alias, reply_demonitor}]}), through_a_monitor}, {{traced_name, node(B)}, by_name}],
                                    Tokens = [begin
                                                  label(Way),
                                                  ok = do(A, {send, To, Way}),
                                                  untraced(),
                                                  {Way, Token} = {event(B), token()},
                                                  untraced(),
                                                  Token
                                              end || {To, Way} <- Ways],
                                    true = do(B, {unregister, traced_name}),
                                    Tokens
                            end).

%% A puppet calls; we are the server, and reply with what the request's token has become here.
a_call_and_its_reply_are_traced(Config) ->
    same_everywhere(Config, fun(A, _) ->
                                    label(9),
                                    Called = tell(A, {call, self(), request, 5000}),
                                    From = receive {'$gen_call', Caller, request} -> Caller after 5000 -> check:fail(?LINE, "no call", []) end,
                                    Request = token(),
                                    gen_server:reply(From, done),
                                    {ok, done} = receive {Called, Result} -> Result after 5000 -> check:fail(?LINE, "no result", []) end,
                                    Result2 = token(),
                                    untraced(),
                                    [Request, Result2]
                            end).
