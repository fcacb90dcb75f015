%% A puppet that calls into the BEAM: rpc, erpc, spawn requests; and its group leader. Issue 6.
-module(puppet_remote_suite).
-export([all/0, rpc_as_rpc_returns/1, erpc_as_erpc_returns/1, spawn_requests_of_every_kind/1, spawn_requests_with_options/1, a_puppet_asks_its_own_node/1, what_is_spawned_prints_to_the_leader/1,
         the_leader_answers_io_requests/1,
         log_events_of_those_it_leads_reach_it/1, between_puppet_nodes/1, to_a_node_that_is_not_there/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, tell/2, event/1, new/1]).

all() ->
    [rpc_as_rpc_returns, erpc_as_erpc_returns, spawn_requests_of_every_kind, spawn_requests_with_options, a_puppet_asks_its_own_node, what_is_spawned_prints_to_the_leader,
     the_leader_answers_io_requests,
     log_events_of_those_it_leads_reach_it, between_puppet_nodes, to_a_node_that_is_not_there].

rpc_as_rpc_returns(Config) ->
    P = new(check:node_of(Config)),
    Me = node(),
    [?eq({C, rpc:call(Me, M, F, A, T)}, {C, do(P, {rpc, Me, M, F, A, T})})
     || {C, M, F, A, T} <- [{1, lists, reverse, [[1, 2, 3]], 5000}, {2, erlang, node, [], infinity}, {3, timer, sleep, [500], 50},
                            {4, lists, seq, [1, 20000], 5000}, {5, binary, copy, [<<"x">>, 300000], 5000}]],
    ?match({badrpc, {'EXIT', {undef, [{nosuch, nosuch, [a], _} | _]}}}, do(P, {rpc, Me, nosuch, nosuch, [a], 5000})),
    ?match({badrpc, {'EXIT', {badarg, [{erlang, atom_to_list, [1], _} | _]}}}, do(P, {rpc, Me, erlang, atom_to_list, [1], 5000})),
    ?match({badrpc, {'EXIT', bye}}, do(P, {rpc, Me, erlang, exit, [bye], 5000})),
    ?eq(thrown, do(P, {rpc, Me, erlang, throw, [thrown], 5000})),
    %% What looks like a caught exit.
    [?eq({{F, A}, {badrpc, {'EXIT', why}}}, {{F, A}, do(P, {rpc, Me, erlang, F, A, 5000})})
     || {F, A} <- [{throw, [{'EXIT', why}]}, {hd, [[{'EXIT', why}]]}]],
    puppets:no_event(P).

erpc_as_erpc_returns(Config) ->
    P = new(check:node_of(Config)),
    Me = node(),
    ?eq({ok, [3, 2, 1]}, do(P, {erpc, Me, lists, reverse, [[1, 2, 3]], 5000})),
    ?eq({ok, Me}, do(P, {erpc, Me, erlang, node, [], infinity})),
    ?match({error, {exception, undef, [{nosuch, nosuch, [], _} | _]}}, do(P, {erpc, Me, nosuch, nosuch, [], 5000})),
    ?match({error, {exception, badarg, [{erlang, atom_to_list, [1], _} | _]}}, do(P, {erpc, Me, erlang, atom_to_list, [1], 5000})),
    ?eq({throw, {a, ball}}, do(P, {erpc, Me, erlang, throw, [{a, ball}], 5000})),
    ?match({exit, {exception, bye}}, do(P, {erpc, Me, erlang, exit, [bye], 5000})),
    ?eq({error, {erpc, timeout}}, do(P, {erpc, Me, timer, sleep, [3000], 50})),
    [?eq({C, {error, {erpc, badarg}}}, {C, do(P, C)})
     || C <- [{erpc, Me, "lists", reverse, [[]], 5000}, {erpc, Me, lists, "reverse", [[]], 5000}, {erpc, Me, lists, reverse, none, 5000},
              {erpc, Me, lists, reverse, [[]], -1}, {erpc, Me, lists, reverse, [[]], soon}, {erpc, "me", lists, reverse, [[]], 5000}]],
    %% Killed from outside: a signal, not an exception.
    Asked = tell(P, {erpc, Me, ?MODULE, announce, [self()], 5000}),
    _ = Asked,
    puppets:no_event(P).

spawn_requests_of_every_kind(Config) ->
    P = new(check:node_of(Config)),
    do(P, {trap_exit, true}),
    Me = node(),
    {ok, Plain} = do(P, {spawn_request, Me, timer, sleep, [10000], []}),
    ?eq({Me, true}, {node(Plain), is_process_alive(Plain)}),
    exit(Plain, kill),
    {ok, {Pid, Ref}} = do(P, {spawn_request, Me, timer, sleep, [100], [monitor]}),
    ?eq({'DOWN', Ref, process, Pid, normal}, event(P)),
    {ok, Linked} = do(P, {spawn_request, Me, erlang, exit, [oops], [link]}),
    ?eq({'EXIT', Linked, oops}, event(P)),
    {ok, {Both, BothRef}} = do(P, {spawn_request, Me, timer, sleep, [60000], [link, monitor]}),
    exit(Both, over),
    ?eq(lists:sort([{'EXIT', Both, over}, {'DOWN', BothRef, process, Both, over}]), lists:sort([event(P), event(P)])),
    {ok, {Undef, UndefRef}} = do(P, {spawn_request, Me, nosuch, nosuch, [1], [monitor]}),
    ?match({'DOWN', UndefRef, process, Undef, {undef, [{nosuch, nosuch, [1], _} | _]}}, event(P)),
    {ok, Named} = do(P, {spawn_request, Me, erlang, apply, [fun() -> register(spawned_here, self()), receive stop -> ok end end, []], []}),
    ?soon(whereis(spawned_here) =:= Named),
    Named ! stop,
    ?match({error, badopt}, do(P, {spawn_request, Me, timer, sleep, [1], [nonsense]})),
    puppets:no_event(P).

spawn_requests_with_options(Config) ->
    P = new(check:node_of(Config)),
    Me = node(),
    {ok, {Tagged, TaggedRef}} = do(P, {spawn_request, Me, erlang, exit, [bye], [{monitor, [{tag, {gone, "there"}}]}]}),
    ?eq({{gone, "there"}, TaggedRef, process, Tagged, bye}, event(P)),
    {ok, {Sleeper, Alias}} = do(P, {spawn_request, Me, timer, sleep, [60000], [{monitor, [{alias, reply_demonitor}]}]}),
    Alias ! through_it,
    ?eq(through_it, event(P)),
    exit(Sleeper, kill),
    Options = [{priority, high}, {fullsweep_after, 10}, {min_heap_size, 1000}, {message_queue_data, off_heap}, {reply, yes}],
    {ok, Chosen} = do(P, {spawn_request, Me, timer, sleep, [60000], Options}),
    ?eq([{priority, high}, {message_queue_data, off_heap}], process_info(Chosen, [priority, message_queue_data])),
    exit(Chosen, kill),
    [?eq({error, badopt}, do(P, {spawn_request, Me, timer, sleep, [1], [O]}))
     || O <- [{priority, highest}, {monitor, [{alias, never}]}, {reply, perhaps}, {nonsense, 1}]],
    puppets:no_event(P).

a_puppet_asks_its_own_node(Config) ->
    Node = check:node_of(Config),
    P = new(Node),
    do(P, {trap_exit, true}),
    {ok, Plain} = do(P, {spawn_request, Node, nosuch, nosuch, [1], []}),
    ?eq(Node, node(Plain)),
    {ok, {Pid, Ref}} = do(P, {spawn_request, Node, nosuch, nosuch, [1], [monitor]}),
    ?match({'DOWN', Ref, process, Pid, {undef, [{nosuch, nosuch, [1], _} | _]}}, event(P)),
    {ok, Linked} = do(P, {spawn_request, Node, nosuch, nosuch, [1], [link]}),
    ?match({'EXIT', Linked, {undef, [{nosuch, nosuch, [1], _} | _]}}, event(P)),
    ?eq({error, badopt}, do(P, {spawn_request, Node, nosuch, nosuch, [1], [nonsense]})),
    puppets:no_event(P).

%% The spawned process has the puppet's leader; a process of ours that was set as one gets the requests.
what_is_spawned_prints_to_the_leader(Config) ->
    P = new(check:node_of(Config)),
    true = do(P, {group_leader, self(), P}),
    {ok, {Pid, Ref}} = do(P, {spawn_request, node(), io, format, ["printed ~w~n", [here]], [monitor]}),
    receive
        {io_request, Pid, ReplyAs, Request} ->
            ?match({put_chars, unicode, _, _, _}, Request),
            Pid ! {io_reply, ReplyAs, ok}
    after 5000 -> check:fail(?LINE, "no io_request; there: ~0tp", [check:waiting()])
    end,
    ?eq({'DOWN', Ref, process, Pid, normal}, event(P)).

%% The node's own leader serves the I/O protocol: what is written goes to standard error, what is asked is refused, nothing hangs.
the_leader_answers_io_requests(Config) ->
    P = new(check:node_of(Config)),
    Leader = do(P, group_leader),
    ?eq(ok, io:put_chars(Leader, "hello from the tester\n")),
    ?eq(ok, io:put_chars(Leader, "größer ∀\n")),
    ?eq(ok, io:format(Leader, "~ts ~p~n", ["formatted", {a, term}])),
    case maps:get(own, Config) of
        "true" ->
            {ok, _} = check:ask(["log", "node", "hello from the tester"]),
            {ok, _} = check:ask(["log", "node", "formatted {a,term}"]);
        _ -> ok
    end,
    Me = self(),
    spawn(fun() -> Me ! {line, io:get_line(Leader, "")} end),
    receive {line, Line} -> ?match(X when X =:= eof; element(1, X) =:= error, Line) after 5000 -> check:fail(?LINE, "get_line hangs", []) end.

%% Log events of a process are told where its group leader is, and by the default handler there only.
log_events_of_those_it_leads_reach_it(#{own := "false"}) -> check:skip("another program logs in a way of its own", []);
log_events_of_those_it_leads_reach_it(Config) ->
    P = new(check:node_of(Config)),
    Leader = do(P, group_leader),
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, info),
    spawn(fun() ->
                  group_leader(Leader, self()),
                  logger:warning("a warning of ~p ~ts", [{the, tester}, "größer"]),
                  logger:error(#{a_report => ["of", the, tester]}),
                  logger:error("no ~p such ~p", [format]),
                  error({crashed, on_purpose})
          end),
    [{Text, {ok, _}} = {Text, check:ask(["log", "node", Text])}
     || Text <- ["a warning of {the,tester} ", "#{a_report => [\"of\",the,tester]}", "FORMAT ERROR", "{crashed,on_purpose}"]],
    ok = logger:set_primary_config(level, Level).

between_puppet_nodes(Config) ->
    {One, Two} = puppets:nodes(Config),
    P = new(One),
    %% The puppet exports nothing: asked for anything it says undef, and the one who asked hears it.
    ?match({badrpc, {'EXIT', {undef, [{nosuch, nosuch, [1], _} | _]}}}, do(P, {rpc, Two, nosuch, nosuch, [1], 5000})),
    ?match({error, {exception, undef, [{nosuch, nosuch, [1], _} | _]}}, do(P, {erpc, Two, nosuch, nosuch, [1], 5000})),
    {ok, {Pid, Ref}} = do(P, {spawn_request, Two, nosuch, nosuch, [1], [monitor]}),
    ?match({'DOWN', Ref, process, Pid, {undef, [{nosuch, nosuch, [1], _} | _]}}, event(P)).

to_a_node_that_is_not_there(Config) ->
    P = new(check:node_of(Config)),
    No = 'nosuch@localhost',
    ?eq({badrpc, nodedown}, do(P, {rpc, No, lists, reverse, [[]], 8000})),
    ?eq({error, {erpc, noconnection}}, do(P, {erpc, No, lists, reverse, [[]], 8000})),
    ?eq({error, noconnection}, do(P, {spawn_request, No, lists, reverse, [[]], []})).
