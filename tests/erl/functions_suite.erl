%% The functions a sidecar exports, reached by rpc and erpc from every client OTP has. Issue 6.
-module(functions_suite).
-export([all/0, rpc_call_returns/1, rpc_call_fails_as_otps_does/1, rpc_cast_and_async/1, rpc_multicall/1, erpc_call_returns/1,
         erpc_call_raises/1, erpc_times_out_and_kills_the_work/1, erpc_requests/1, erpc_multicall_and_cast/1, spawns_of_every_kind/1,
         spawn_requests/1, an_unknown_function_is_undef/1, arguments_of_the_wrong_kind/1, many_calls_at_once/1, large_arguments/1,
         rex_answers_older_callers/1, the_usual_names_answer/1, a_call_survives_nothing/1]).
-include("check.hrl").

all() ->
    [rpc_call_returns, rpc_call_fails_as_otps_does, rpc_cast_and_async, rpc_multicall, erpc_call_returns, erpc_call_raises,
     erpc_times_out_and_kills_the_work, erpc_requests, erpc_multicall_and_cast, spawns_of_every_kind, spawn_requests,
     an_unknown_function_is_undef, arguments_of_the_wrong_kind, many_calls_at_once, large_arguments, rex_answers_older_callers,
     the_usual_names_answer, a_call_survives_nothing].

rpc_call_returns(Config) ->
    N = check:node_of(Config),
    ?eq(5, rpc:call(N, math, add, [2, 3])),
    ?eq(5.5, rpc:call(N, math, add, [2, 3.5])),
    ?eq(1 bsl 80, rpc:call(N, math, add, [1 bsl 79, 1 bsl 79])),
    ?eq(<<"GROSS">>, rpc:call(N, text, upcase, [<<"gross">>])),
    ?eq(<<"ÄÖÜ ∀"/utf8>>, rpc:call(N, text, upcase, [<<"äöü ∀"/utf8>>])),
    ?eq(ok, rpc:call(N, slow, sleep, [10])),
    ?eq(ok, rpc:call(N, slow, sleep, [10], 5000)),
    ?eq(7, rpc:block_call(N, math, add, [3, 4])),
    ?eq(7, rpc:block_call(N, math, add, [3, 4], 5000)).

rpc_call_fails_as_otps_does(Config) ->
    N = check:node_of(Config),
    ?match({badrpc, {'EXIT', {{some, reason}, [{math, fail, _, _} | _]}}}, rpc:call(N, math, fail, [{some, reason}])),
    ?match({badrpc, {'EXIT', {undef, [{nosuch, nosuch, [1, 2], _} | _]}}}, rpc:call(N, nosuch, nosuch, [1, 2])),
    ?match({badrpc, {'EXIT', {undef, [{math, add, [1, 2, 3], _} | _]}}}, rpc:call(N, math, add, [1, 2, 3])),
    ?eq({badrpc, timeout}, rpc:call(N, slow, sleep, [3000], 100)),
    ?eq({badrpc, nodedown}, rpc:call('nosuch@localhost', math, add, [1, 2])).

rpc_cast_and_async(Config) ->
    N = check:node_of(Config),
    ?eq(true, rpc:cast(N, math, add, [1, 2])),
    ?eq(true, rpc:cast(N, nosuch, nosuch, [])),
    Key = rpc:async_call(N, math, add, [20, 22]),
    ?eq(42, rpc:yield(Key)),
    Slow = rpc:async_call(N, slow, sleep, [300]),
    ?eq(timeout, rpc:nb_yield(Slow)),
    ?eq({value, ok}, rpc:nb_yield(Slow, 5000)),
    Results = rpc:parallel_eval([{math, abs, [-1]}]),
    ?eq(1, length(Results)).

rpc_multicall(Config) ->
    N = check:node_of(Config),
    ?eq({[3, 3], []}, rpc:multicall([N, N], math, add, [1, 2])),
    ?eq({[3], ['nosuch@localhost']}, rpc:multicall([N, 'nosuch@localhost'], math, add, [1, 2])),
    ?match({[{badrpc, {'EXIT', {undef, _}}}], []}, rpc:multicall([N], nosuch, nosuch, [], 5000)).

erpc_call_returns(Config) ->
    N = check:node_of(Config),
    ?eq(5, erpc:call(N, math, add, [2, 3])),
    ?eq(5, erpc:call(N, math, add, [2, 3], 5000)),
    ?eq(<<"ABC">>, erpc:call(N, text, upcase, [<<"abc">>])),
    ?eq(ok, erpc:call(N, slow, sleep, [0])).

erpc_call_raises(Config) ->
    N = check:node_of(Config),
    ?raises(error, {exception, {some, [reason]}, [{math, fail, _, _} | _]}, erpc:call(N, math, fail, [{some, [reason]}])),
    ?raises(error, {exception, undef, [{nosuch, nosuch, [1], _} | _]}, erpc:call(N, nosuch, nosuch, [1])),
    ?raises(error, {exception, undef, [{math, add, [1], _} | _]}, erpc:call(N, math, add, [1])),
    ?raises(error, {erpc, noconnection}, erpc:call('nosuch@localhost', math, add, [1, 2])).

%% The time-out ends the work over there too.
erpc_times_out_and_kills_the_work(Config) ->
    N = check:node_of(Config),
    ?raises(error, {erpc, timeout}, erpc:call(N, slow, sleep, [5000], 100)),
    ?none(_, 300),
    ?eq(5, erpc:call(N, math, add, [2, 3])).

erpc_requests(Config) ->
    N = check:node_of(Config),
    Ids = [erpc:send_request(N, math, add, [I, I]) || I <- lists:seq(1, 50)],
    ?eq([I * 2 || I <- lists:seq(1, 50)], [erpc:receive_response(Id, 5000) || Id <- Ids]),
    Slow = erpc:send_request(N, slow, sleep, [300]),
    ?eq(no_response, erpc:wait_response(Slow, 10)),
    ?eq({response, ok}, erpc:wait_response(Slow, 5000)),
    Failing = erpc:send_request(N, math, fail, [oops]),
    ?raises(error, {exception, oops, [{math, fail, _, _} | _]}, erpc:receive_response(Failing, 5000)),
    Checked = erpc:send_request(N, math, add, [1, 1]),
    receive Message -> ?eq({response, 2}, erpc:check_response(Message, Checked)) after 5000 -> check:fail(?LINE, "no response", []) end,
    Collection = lists:foldl(fun(I, C) -> erpc:send_request(N, math, add, [I, 1], I, C) end, erpc:reqids_new(), lists:seq(1, 10)),
    ?eq([{I + 1, I} || I <- lists:seq(1, 10)], lists:sort(collect(Collection))).

collect(Ids) ->
    case erpc:receive_response(Ids, 5000, true) of
        no_request -> [];
        {Result, Label, Rest} -> [{Result, Label} | collect(Rest)]
    end.

erpc_multicall_and_cast(Config) ->
    N = check:node_of(Config),
    ?eq([{ok, 3}, {ok, 3}], erpc:multicall([N, N], math, add, [1, 2])),
    ?match([{error, {exception, oops, [{math, fail, _, _} | _]}}, {error, {erpc, noconnection}}],
           erpc:multicall([N, 'nosuch@localhost'], math, fail, [oops])),
    ?eq(ok, erpc:cast(N, math, add, [1, 2])),
    ?eq(ok, erpc:multicast([N, N], nosuch, nosuch, [])),
    ?eq([{ok, ok}], erpc:multicall([N], slow, sleep, [10], 5000)).

spawns_of_every_kind(Config) ->
    N = check:node_of(Config),
    process_flag(trap_exit, true),
    Pid = spawn(N, slow, sleep, [10]),
    ?eq(N, node(Pid)),
    Linked = spawn_link(N, slow, sleep, [50]),
    ?got({'EXIT', Linked, normal}),
    {Monitored, Ref} = spawn_monitor(N, slow, sleep, [50]),
    ?got({'DOWN', Ref, process, Monitored, normal}),
    Failing = spawn_link(N, math, fail, [oops]),
    ?got({'EXIT', Failing, {oops, [{math, fail, _, _} | _]}}),
    {Both, BothRef} = spawn_opt(N, math, fail, [oops], [link, monitor]),
    ?got({'EXIT', Both, {oops, _}}),
    ?got({'DOWN', BothRef, process, Both, {oops, _}}),
    %% Killed while it works.
    Long = spawn_link(N, slow, sleep, [60000]),
    exit(Long, kill),
    ?got({'EXIT', Long, killed}),
    {Longer, LongerRef} = spawn_monitor(N, slow, sleep, [60000]),
    exit(Longer, {shutdown, now}),
    ?got({'DOWN', LongerRef, process, Longer, {shutdown, now}}).

spawn_requests(Config) ->
    N = check:node_of(Config),
    process_flag(trap_exit, true),
    Plain = spawn_request(N, slow, sleep, [10], []),
    ?got({spawn_reply, Plain, ok, Pid} when node(Pid) =:= N),
    Tagged = spawn_request(N, slow, sleep, [10], [{reply_tag, {my, tag}}, monitor, link]),
    receive {{my, tag}, Tagged, ok, P} ->
            ?got({'DOWN', Tagged, process, P, normal}),
            ?got({'EXIT', P, normal})
    after 5000 -> check:fail(?LINE, "no reply with its tag", [])
    end,
    Silent = spawn_request(N, slow, sleep, [10], [{reply, no}, monitor]),
    ?got({'DOWN', Silent, process, _, normal}),
    ?none({spawn_reply, Silent, _, _}, 0),
    OnError = spawn_request(N, slow, sleep, [10], [{reply, error_only}, {monitor, [{tag, 'GONE'}]}]),
    ?got({'GONE', OnError, process, _, normal}),
    ?none({spawn_reply, OnError, _, _}, 0),
    Bad = spawn_request(N, slow, sleep, [10], [no_such_option]),
    ?got({spawn_reply, Bad, error, badopt}),
    Abandoned = spawn_request(N, slow, sleep, [60000], [link]),
    ?eq(true, is_boolean(spawn_request_abandon(Abandoned))),
    Alias = spawn_request(N, slow, sleep, [10], [{monitor, [{alias, explicit_unalias}]}]),
    ?got({spawn_reply, Alias, ok, _}),
    ?got({'DOWN', Alias, process, _, normal}),
    self() ! done,
    Alias ! through_it,
    ?got(through_it),
    true = unalias(Alias).

an_unknown_function_is_undef(Config) ->
    N = check:node_of(Config),
    {Pid, Ref} = spawn_monitor(N, nosuch, nosuch, [a, b]),
    ?got({'DOWN', Ref, process, Pid, {undef, [{nosuch, nosuch, [a, b], _} | _]}}),
    %% What every BEAM has but no program exports is not to be had either.
    ?match({badrpc, {'EXIT', {undef, _}}}, own(Config, fun() -> rpc:call(N, os, cmd, ["true"]) end)),
    ?match({badrpc, {'EXIT', {undef, _}}}, own(Config, fun() -> rpc:call(N, init, stop, []) end)).

own(#{own := "true"}, Fun) -> Fun();
own(_, _) -> {badrpc, {'EXIT', {undef, []}}}.

arguments_of_the_wrong_kind(Config) ->
    N = check:node_of(Config),
    ?match({badrpc, {'EXIT', {_, [_ | _]}}}, rpc:call(N, math, add, [a, b])),
    ?match({badrpc, {'EXIT', {_, [_ | _]}}}, rpc:call(N, text, upcase, [{not_text}])),
    [?match({badrpc, {'EXIT', {timeout_value, [_ | _]}}}, rpc:call(N, slow, sleep, [T])) || T <- [-1, a, 1.5, <<>>]],
    [?eq({badrpc, timeout}, rpc:call(N, slow, sleep, [T], 50)) || T <- [infinity, 1 bsl 64]],
    ?raises(error, {exception, _, [_ | _]}, erpc:call(N, math, add, [<<>>, []])),
    ?eq(3, rpc:call(N, math, add, [1, 2])).

many_calls_at_once(Config) ->
    N = check:node_of(Config),
    Self = self(),
    [spawn_link(fun() -> Self ! {result, I, [erpc:call(N, math, add, [I, J]) || J <- lists:seq(1, 20)]} end) || I <- lists:seq(1, 50)],
    [receive {result, I, Results} -> ?eq([I + J || J <- lists:seq(1, 20)], Results) after 20000 -> check:fail(?LINE, "~w is missing", [I]) end
     || I <- lists:seq(1, 50)],
    %% A slow one holds nobody up.
    Key = rpc:async_call(N, slow, sleep, [1500]),
    {Took, 3} = timer:tc(fun() -> rpc:call(N, math, add, [1, 2]) end),
    Took < 1000000 orelse check:fail(?LINE, "a call took ~w us beside a slow one", [Took]),
    ?eq(ok, rpc:yield(Key)).

large_arguments(Config) ->
    N = check:node_of(Config),
    Text = binary:copy(<<"abcdefgh">>, 100000),
    ?eq(string:uppercase(Text), erpc:call(N, text, upcase, [Text])),
    ?raises(error, {exception, {large, Text}, _}, erpc:call(N, math, fail, [{large, Text}])).

%% What rpc sent before OTP 23, and what tools still send by hand.
rex_answers_older_callers(Config) ->
    N = check:node_of(Config),
    ?eq(3, gen_server:call({rex, N}, {call, math, add, [1, 2], group_leader()})),
    ?eq(3, gen_server:call({rex, N}, {block_call, math, add, [1, 2], group_leader()})),
    gen_server:cast({rex, N}, {cast, math, add, [1, 2], group_leader()}),
    {rex, N} ! {self(), {call, math, add, [1, 2], group_leader()}},
    ?got({rex, 3}),
    %% A name looked up: undefined, not silence.
    ?eq({[], [N]}, gen_server:multi_call([N], nosuch, hello, 2000)).

%% A BEAM does not outlive all of these questions.
the_usual_names_answer(#{own := "false"}) -> check:skip("another program than ours may not survive it", []);
the_usual_names_answer(Config) ->
    N = check:node_of(Config),
    %% Nobody who asks one of these may hang: an answer, an exit, whatever comes within the second.
    [begin
         {Took, _} = timer:tc(fun() -> try gen_server:call({Name, N}, Question, 2000) catch exit:Reason -> {exit, element(1, Reason)} end end),
         Took < 1900000 orelse check:fail(?LINE, "~w does not answer ~0tp", [Name, Question])
     end || {Name, Question} <- [{net_kernel, {is_auth, node()}}, {rex, nonsense}, {global_name_server, nonsense}, {init, nonsense}, {user, nonsense},
                                 {logger, nonsense}, {kernel_sup, which_children}, {code_server, nonsense}, {pg, nonsense}]],
    ?eq(pong, net_adm:ping(N)).

%% The caller's node goes in the middle of a call: the work there ends with it, and the node serves the next.
a_call_survives_nothing(Config) ->
    N = check:node_of(Config),
    spawn(fun() -> rpc:call(N, slow, sleep, [2000]) end),
    timer:sleep(200),
    true = erlang:disconnect_node(N),
    ?eq(3, rpc:call(N, math, add, [1, 2])).
