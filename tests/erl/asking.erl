%% Asks a node that has the functions of `served` everything OTP has to ask with, and gives back what came of each in a form that
%% is the same for every node that behaves the same: no pids, no references, of a stack trace the uppermost call.
-module(asking).
-export([everything/2, again/3, hangs/1, plain/2]).

%% Wait: milliseconds of silence after which nothing more is expected to come unasked.
everything(Node, Wait) -> batches(asked(Node), Node, Wait).

%% Those with these labels.
again(Node, Labels, Wait) ->
    batches([Asked || {Label, _} = Asked <- asked(Node), lists:member(plain(Label, Node), Labels)], Node, Wait).

%% Many at once, and not so many that what is expected within a moment takes longer.
batches([], _, _) -> [];
batches(Asked, Node, Wait) ->
    {Now, Later} = lists:split(min(40, length(Asked)), Asked),
    Running = [{Label, spawn_monitor(fun() -> put(wait, Wait), exit(result(Fun)) end)} || {Label, Fun} <- Now],
    [{plain(Label, Node), plain(ended(Run), Node)} || {Label, Run} <- Running] ++ batches(Later, Node, Wait).

%% Exits are trapped: what comes unasked is part of what came of it.
result(Fun) ->
    process_flag(trap_exit, true),
    Result = try {returned, Fun()} catch Class:Reason -> {Class, Reason} end,
    {result, Result, rest()}.

ended({Pid, Ref}) ->
    receive
        {'DOWN', Ref, process, Pid, Reason} -> Reason
    after 20000 ->
            Where = process_info(Pid, [current_function, messages]),
            exit(Pid, kill),
            {hangs, Where}
    end.

%% In the order of their first words: of signals and a reply from one process there is an order, but not of links and monitors.
rest() -> lists:keysort(1, [M || M <- slow_rest(), is_tuple(M)]).

slow_rest() -> receive M -> [M | slow_rest()] after get(wait) -> [] end.

plain([{M, F, A, L} | _], _) when is_atom(M), is_atom(F), is_list(L) -> {stack, M, F, A};
plain(List, Node) when is_list(List) -> plain_list(List, Node);
plain(Tuple, Node) when is_tuple(Tuple) -> list_to_tuple(plain_list(tuple_to_list(Tuple), Node));
plain(Pid, Node) when is_pid(Pid), node(Pid) =:= Node -> there;
plain(Pid, _) when is_pid(Pid), node(Pid) =:= node() -> here;
plain(Ref, _) when is_reference(Ref) -> ref;
plain(Node, Node) -> node_there;
plain(Other, _) -> Other.

plain_list([Head | Tail], Node) -> [plain(Head, Node) | plain_list(Tail, Node)];
plain_list([], _) -> [];
plain_list(Tail, Node) -> plain(Tail, Node).

asked(N) -> erpc(N) ++ requests(N) ++ rpc(N) ++ spawns(N) ++ spawn_requests(N) ++ leaders(N).

%% What each way to call is given to do.
-define(CALLS, [{add, [1, 2]}, {unit, []}, {raise, [error, {some, [reason]}]}, {raise, [exit, bye]}, {raise, [exit, normal]},
                {raise, [throw, {a, ball}]}, {panic, [<<"oh">>]}, {add, [a, b]}, {add, [1]}, {nosuch, [1, x]},
                {tell, [self(), {from, afar}]}]).

erpc(N) ->
    lists:append(
      [[{{erpc_call, F, A}, fun() -> erpc:call(N, served, F, own(A)) end},
        {{erpc_call, F, A, time}, fun() -> erpc:call(N, served, F, own(A), 10000) end},
        {{erpc_multicall, F, A}, fun() -> erpc:multicall([N, N], served, F, own(A)) end},
        {{erpc_cast, F, A}, fun() -> erpc:cast(N, served, F, own(A)) end},
        {{erpc_multicast, F, A}, fun() -> erpc:multicast([N, N], served, F, own(A)) end},
        {{erpc_receive_response, F, A}, fun() -> erpc:receive_response(erpc:send_request(N, served, F, own(A))) end}]
       || {F, A} <- ?CALLS]) ++
        [{erpc_call_nosuch, fun() -> erpc:call(N, nosuch, nosuch, []) end},
         {erpc_timeout, fun() -> erpc:call(N, served, announce, [whereis(init)], 100) end},
         {erpc_timeout_0, fun() -> erpc:call(N, served, announce, [whereis(init)], 0) end},
         {erpc_multicall_timeout, fun() -> erpc:multicall([N, N], served, announce, [whereis(init)], 100) end},
         {erpc_bad_list, fun() -> erpc:call(N, served, add, [1 | 2]) end},
         {erpc_many, fun() -> [erpc:call(N, served, add, [I, I]) || I <- lists:seq(1, 30)] end},
         %% Work that is killed over there.
         {erpc_killed, fun() -> killed(fun(P) -> erpc:call(N, served, announce, [P]) end, kill) end},
         {erpc_exited, fun() -> killed(fun(P) -> erpc:call(N, served, announce, [P]) end, {shutdown, why}) end},
         {rpc_killed, fun() -> killed(fun(P) -> rpc:call(N, served, announce, [P]) end, kill) end},
         %% (Not a block_call: a BEAM node runs it in `rex`, and goes down with it.)
         {erpc_exit_normal, fun() -> killed(fun(P) -> erpc:send_request(N, served, announce, [P]), timer:sleep(100), still end, normal) end}].

%% Arguments in which the one who asked stands for whoever runs the case.
own([P | Rest]) when is_pid(P) -> [self() | Rest];
own(Arguments) -> Arguments.

killed(Call, Reason) ->
    Self = self(),
    {Pid, Ref} = spawn_monitor(fun() -> exit({result, try {returned, Call(Self)} catch C:R -> {C, R} end}) end),
    receive {announced, There} -> exit(There, Reason) end,
    receive {'DOWN', Ref, process, Pid, Result} -> Result after 5000 -> hangs end.

requests(N) ->
    Send = fun(F, A) -> erpc:send_request(N, served, F, A) end,
    [{wait_response, fun() -> {erpc:wait_response(Send(announce, [whereis(init)]), 20), erpc:wait_response(Send(add, [1, 2]), 5000)} end},
     {receive_response_timeout, fun() -> erpc:receive_response(Send(announce, [whereis(init)]), 50) end},
     {check_response, fun() ->
                              Id = Send(add, [1, 2]),
                              receive M -> {erpc:check_response(M, Id), erpc:check_response(nothing, Send(unit, []))} end
                      end},
     {check_response_raises, fun() -> Id = Send(raise, [throw, ball]), receive M -> erpc:check_response(M, Id) end end},
     {collection, fun() ->
                          Ids = lists:foldl(fun({L, F, A}, C) -> erpc:send_request(N, served, F, A, L, C) end, erpc:reqids_new(),
                                            [{a, add, [1, 1]}, {b, unit, []}, {c, raise, [error, oops]}, {d, nosuch, []}]),
                          lists:sort(collected(Ids))
                  end},
     {abandoned_response, fun() -> Send(tell, [self(), told]), receive told -> ok after 5000 -> nothing end end}].

collected(Ids) ->
    try erpc:receive_response(Ids, 5000, true) of
        no_request -> [];
        {Result, Label, Rest} -> [{Label, Result} | collected(Rest)]
    catch C:{Reason, Label, Rest} -> [{Label, C, Reason} | collected(Rest)]
    end.

rpc(N) ->
    lists:append(
      [[{{rpc_call, F, A}, fun() -> rpc:call(N, served, F, own(A)) end},
        {{rpc_call, F, A, time}, fun() -> rpc:call(N, served, F, own(A), 10000) end},
        {{block_call, F, A}, fun() -> rpc:block_call(N, served, F, own(A)) end},
        {{block_call, F, A, time}, fun() -> rpc:block_call(N, served, F, own(A), 10000) end},
        {{rpc_cast, F, A}, fun() -> rpc:cast(N, served, F, own(A)) end},
        {{async_call, F, A}, fun() -> rpc:yield(rpc:async_call(N, served, F, own(A))) end},
        {{multicall, F, A}, fun() -> rpc:multicall([N, N], served, F, own(A)) end},
        {{multicall, F, A, time}, fun() -> rpc:multicall([N], served, F, own(A), 10000) end},
        {{eval_everywhere, F, A}, fun() -> rpc:eval_everywhere([N], served, F, own(A)) end}]
       || {F, A} <- ?CALLS]) ++
        [{rpc_timeout, fun() -> rpc:call(N, served, announce, [whereis(init)], 100) end},
         {multicall_timeout, fun() -> rpc:multicall([N], served, announce, [whereis(init)], 100) end},
         {nb_yield, fun() ->
                            Key = rpc:async_call(N, served, announce, [self()]),
                            receive {announced, P} -> Before = rpc:nb_yield(Key, 20), exit(P, bye), {Before, rpc:nb_yield(Key, 5000)} end
                    end},
         {sbcast, fun() -> rpc:sbcast([N], nosuch_name_at_all, hello) end},
         {abcast, fun() -> rpc:abcast([N], nosuch_name_at_all, hello) end},
         {server_call, fun() -> rpc:server_call(N, nosuch_name_at_all, reply, hello) end},
         {multi_server_call, fun() -> rpc:multi_server_call([N], nosuch_name_at_all, hello) end},
         {nosuch, fun() -> rpc:call(N, nosuch, nosuch, [a]) end},
         {nosuch_block, fun() -> rpc:block_call(N, nosuch, nosuch, [a]) end},
         %% As rpc did it before there was erpc.
         {old_call, fun() -> gen_server:call({rex, N}, {call, served, add, [1, 2], group_leader()}) end},
         {old_call_fails, fun() -> gen_server:call({rex, N}, {call, served, raise, [error, oops], group_leader()}) end},
         {old_call_user, fun() -> gen_server:call({rex, N}, {call, served, add, [1, 2], whereis(user)}) end},
         {old_cast, fun() -> gen_server:cast({rex, N}, {cast, served, tell, [self(), told], group_leader()}), receive told -> ok after 5000 -> no end end},
         {by_pid, fun() -> {rex, N} ! {self(), {call, served, add, [1, 2], group_leader()}}, receive {rex, R} -> R after 5000 -> no end end},
         {features, fun() -> {rex, N} ! {self(), features_request}, receive {features_reply, N, L} -> lists:member(erpc, L) after 5000 -> no end end}].

spawns(N) ->
    lists:append(
      [[{{spawn, F, A}, fun() -> is_pid(spawn(N, served, F, own(A))) end},
        {{spawn_link, F, A}, fun() -> P = spawn_link(N, served, F, own(A)), receive {'EXIT', P, R} -> R after 5000 -> no end end},
        {{spawn_monitor, F, A}, fun() -> {P, M} = spawn_monitor(N, served, F, own(A)), receive {'DOWN', M, process, P, R} -> R after 5000 -> no end end},
        {{spawn_opt, F, A}, fun() -> is_pid(spawn_opt(N, served, F, own(A), [{fullsweep_after, 0}])) end},
        {{both, F, A}, fun() ->
                               {P, M} = spawn_opt(N, served, F, own(A), [link, monitor, {priority, high}, {min_heap_size, 1000}]),
                               A1 = receive {'EXIT', P, R} -> {exit, R} after 5000 -> no end,
                               B1 = receive {'DOWN', M, process, P, R1} -> {down, R1} after 5000 -> no end,
                               {A1, B1}
                       end}]
       || {F, A} <- ?CALLS]) ++
        [{spawn_nosuch, fun() -> {P, M} = spawn_monitor(N, nosuch, nosuch, [a]), receive {'DOWN', M, process, P, R} -> R after 5000 -> no end end},
         {spawn_unlinked, fun() ->
                                  P = spawn_link(N, served, announce, [self()]),
                                  receive {announced, P} -> ok end,
                                  unlink(P), M = monitor(process, P), exit(P, bye),
                                  receive {'DOWN', M, process, P, R} -> R after 5000 -> no end
                          end},
         {spawn_killed, fun() ->
                                P = spawn_link(N, served, announce, [self()]),
                                receive {announced, P} -> exit(P, kill) end,
                                receive {'EXIT', P, R} -> R after 5000 -> no end
                        end},
         {spawn_normal_is_no_exit, fun() ->
                                           P = spawn_link(N, served, announce, [self()]),
                                           receive {announced, P} -> exit(P, normal) end,
                                           receive {'EXIT', P, R} -> R after 200 -> exit(P, kill), alive end
                                   end},
         %% Who started it dies: so does what is linked.
         {spawn_dies_with_its_parent, fun() ->
                                              Self = self(),
                                              Parent = spawn(fun() -> spawn_link(N, served, announce, [Self]), receive stop -> exit(stopped) end end),
                                              receive {announced, P} -> M = monitor(process, P), Parent ! stop,
                                                                        receive {'DOWN', M, process, P, R} -> R after 5000 -> no end end
                                      end}].

-define(OPTIONS, [[], [link], [monitor], [link, monitor], [{monitor, []}], [{monitor, [{tag, {my, down}}]}],
                  [{monitor, [{alias, reply_demonitor}]}], [{reply, yes}], [{reply, no}, monitor], [{reply, error_only}, monitor],
                  [{reply, success_only}], [{reply_tag, {my, tag}}], [{reply_tag, t}, {reply, no}, link],
                  [{fullsweep_after, 5}], [{min_heap_size, 500}], [{min_bin_vheap_size, 500}], [{max_heap_size, 0}],
                  [{max_heap_size, #{size => 0, kill => true}}], [{message_queue_data, off_heap}], [{priority, low}],
                  [no_such_option], [{no_such, option}], [{reply, no}, no_such_option], [{reply, error_only}, no_such_option],
                  [{reply, success_only}, no_such_option], [{reply_tag, t}, no_such_option], [monitor, link, no_such_option],
                  [{priority, nonsense}], [{fullsweep_after, -1}], [{min_heap_size, many}], [{message_queue_data, nonsense}],
                  [{max_heap_size, many}], [{min_bin_vheap_size, -1}], [{link, x}], [17], [{priority, low, 1}]]).

spawn_requests(N) ->
    [{{spawn_request, O}, fun() -> spawn_request(N, served, unit, [], O), rest() end} || O <- ?OPTIONS] ++
        [{{spawn_request_fails, O}, fun() -> spawn_request(N, served, raise, [error, oops], O), rest() end} || O <- ?OPTIONS] ++
        [{{abandoned, O}, fun() -> abandoned(N, O) end}
         || O <- [[], [link], [monitor], [link, monitor], [{reply, no}, link], [{reply, error_only}, monitor]]].


abandoned(N, Options) ->
    Id = spawn_request(N, served, announce, [self()], Options),
    Was = spawn_request_abandon(Id),
    receive
        {announced, P} ->
            M = monitor(process, P),
            Ended = receive {'DOWN', M, process, P, _} -> ends after get(wait) -> demonitor(M, [flush]), lives end,
            exit(P, kill),
            {Was, Ended, spawn_request_abandon(Id)}
    after get(wait) ->
            %% Gone before it was of age.
            {Was, ends, spawn_request_abandon(Id)}
    end.

leaders(N) ->
    Own = fun(Ask) ->
                  Leader = group_leader(),
                  Self = self(),
                  Ask(Self),
                  receive {leader, Leader} -> mine; {leader, Other} -> {anothers, node(Other) =:= N} after 5000 -> none end
          end,
    Printed = fun(Ask) ->
                      Self = self(),
                      Device = spawn_link(fun() -> device(Self) end),
                      group_leader(Device, self()),
                      Result = Ask(),
                      {Result, receive {printed, What} -> What after 5000 -> nothing end}
              end,
    Text = <<"größer ∀\n"/utf8>>,
    [{{leader, How}, fun() -> Own(Ask) end}
     || {How, Ask} <- [{erpc, fun(S) -> erpc:call(N, served, tell_leader, [S]) end},
                       {erpc_cast, fun(S) -> erpc:cast(N, served, tell_leader, [S]) end},
                       {rpc, fun(S) -> rpc:call(N, served, tell_leader, [S]) end},
                       {rpc_cast, fun(S) -> rpc:cast(N, served, tell_leader, [S]) end},
                       {block_call, fun(S) -> rpc:block_call(N, served, tell_leader, [S]) end},
                       {spawn, fun(S) -> spawn(N, served, tell_leader, [S]) end},
                       {spawn_link, fun(S) -> spawn_link(N, served, tell_leader, [S]) end},
                       {spawn_request, fun(S) -> spawn_request(N, served, tell_leader, [S]) end}]] ++
        [{{prints, How}, fun() -> Printed(Ask) end}
         || {How, Ask} <- [{erpc, fun() -> erpc:call(N, served, prints, [Text]) end},
                           {rpc, fun() -> rpc:call(N, served, prints, [Text]) end},
                           {block_call, fun() -> rpc:block_call(N, served, prints, [Text]) end}]].

device(To) ->
    receive
        {io_request, From, As, Request} -> From ! {io_reply, As, ok}, To ! {printed, Request}, device(To)
    end.

%% Questions of tools, and of nodes to nodes: those that nobody answers within their time, with where they wait.
hangs(Node) ->
    Asked = [{Question, spawn_monitor(fun() -> catch ask(Node, Question) end), erlang:monotonic_time(millisecond)} || Question <- questions()],
    lists:append([receive {'DOWN', Ref, process, Pid, _} -> []
                  after max(0, Start + 9000 - erlang:monotonic_time(millisecond)) ->
                          Where = process_info(Pid, current_stacktrace),
                          exit(Pid, kill),
                          [{Question, Where}]
                  end || {Question, {Pid, Ref}, Start} <- Asked]).

questions() ->
    %% Servers by name, in the words they know and in some they do not.
    [{call, Name, Request}
     || Name <- [net_kernel, rex, global_name_server, global_group, init, user, logger, kernel_sup, code_server, application_controller,
                 erl_prim_loader, file_server_2, inet_db, auth, pg, standard_error, kernel_safe_sup, erts_code_purger, observer, erl_epmd,
                 net_sup, timer_server, dist_ac, erl_signal_server, logger_proxy, kernel_refc, user_drv, ddll_server, disk_log_server],
        Request <- [nonsense, get_known, which_children, {is_auth, node()}, {get_status, self()}, info]] ++
        [{sys, Name, F} || Name <- [net_kernel, rex, global_name_server, user, logger], F <- [get_state, get_status]] ++
        [{io, F} || F <- [columns, rows, getopts, get_line, get_chars, read, put_chars, format, get_password, setopts, request, nl]] ++
        [{mfa, M, F, A}
         || {M, F, A} <- [{net_kernel, get_net_ticktime, []}, {net_kernel, nodes_info, []}, {global_name_server, whereis, []},
                          {global, registered_names, []}, {global, whereis_name, [x]}, {init, get_status, []}, {init, stop, []},
                          {init, get_argument, [progname]}, {erlang, nodes, []}, {erlang, processes, []}, {erlang, memory, []},
                          {erlang, system_info, [otp_release]}, {erlang, halt, []}, {observer_backend, sys_info, []},
                          {observer_backend, get_table_list, [ets, []]}, {observer_backend, procs_info, [self()]}, {code, which, [observer_backend]},
                          {code, get_object_code, [lists]}, {code, load_binary, [x, "x", <<>>]}, {application, which_applications, []},
                          {appmon_info, start_link, [node(), self(), []]}, {os, cmd, ["true"]}, {file, read_file, ["/etc/passwd"]},
                          {shell, start, []}, {supervisor, which_children, [kernel_sup]}, {dbg, get_tracer, []}, {runtime_tools, x, []}]] ++
        [pinfo, pinfo_item, world, world_list, names, ping, is_alive, process_info, remote_fun, spawn_fun, erpc_fun, monitor_nodes, old_spawn,
         c_nregs, c_ni, c_l, i, module_info, group_server, shell, tick, etop, cpu_sup, dist_get_stat, disconnect].

ask(N, {call, Name, Request}) -> gen_server:call({Name, N}, Request, 3000);
ask(N, {sys, Name, F}) -> sys:F({Name, N}, 3000);
ask(N, {io, F}) ->
    %% Its own leader, by name, as tools that print there reach it.
    case F of
        columns -> io:columns({user, N});
        rows -> io:rows({user, N});
        getopts -> io:getopts({user, N});
        get_line -> io:get_line({user, N}, "? ");
        get_chars -> io:get_chars({user, N}, "? ", 3);
        read -> io:read({user, N}, "? ");
        put_chars -> io:put_chars({user, N}, "asked\n");
        format -> io:format({user, N}, "~p~n", [asked]);
        get_password -> io:request({user, N}, {get_password, unicode});
        setopts -> io:setopts({user, N}, [{binary, true}]);
        request -> io:request({user, N}, nonsense);
        nl -> io:nl({user, N})
    end;
ask(N, {mfa, M, F, A}) -> {rpc:call(N, M, F, A), rpc:block_call(N, M, F, A), catch erpc:call(N, M, F, A)};
ask(N, pinfo) -> rpc:pinfo(rpc:call(N, erlang, self, []));
ask(N, pinfo_item) -> rpc:pinfo(element(1, spawn_monitor(N, served, unit, [])), [status, message_queue_len]);
ask(_, world) -> net_adm:world();
ask(_, world_list) -> net_adm:world_list([localhost]);
ask(_, names) -> net_adm:names(localhost);
ask(N, ping) -> [net_adm:ping(N) || _ <- lists:seq(1, 5)];
ask(N, is_alive) -> {lists:member(N, nodes(known)), erlang:monitor_node(N, true), erlang:monitor_node(N, false)};
ask(N, process_info) -> process_info(spawn(N, served, unit, []));
ask(N, remote_fun) -> rpc:call(N, erlang, apply, [fun() -> ok end, []]);
ask(N, spawn_fun) -> {P, R} = spawn_monitor(N, fun() -> ok end), receive {'DOWN', R, process, P, Reason} -> Reason end;
ask(N, erpc_fun) -> erpc:call(N, fun() -> ok end);
ask(N, monitor_nodes) -> rpc:call(N, net_kernel, monitor_nodes, [true]);
ask(N, old_spawn) -> gen_server:call({net_kernel, N}, {spawn, served, unit, [], group_leader()}, 3000);
ask(N, c_nregs) -> rpc:call(N, c, regs, []);
ask(N, c_ni) -> rpc:call(N, erlang, registered, []);
ask(N, c_l) -> rpc:eval_everywhere([N], c, l, [lists]);
ask(N, i) -> rpc:multicall([N], erlang, processes, []);
ask(N, module_info) -> rpc:call(N, served, module_info, []);
%% As `erl -remsh` and ^G's `r` start a shell over there.
ask(N, group_server) -> {P, R} = spawn_monitor(N, group, server, [self(), {shell, start, []}]), receive {'DOWN', R, process, P, Reason} -> Reason end;
ask(N, shell) -> {P, R} = spawn_monitor(N, shell, start, []), receive {'DOWN', R, process, P, Reason} -> Reason end;
ask(N, tick) -> {net_kernel, N} ! tick, {net_kernel, N} ! {nodedown, node()}, {global_name_server, N} ! {nodeup, node()}, net_adm:ping(N);
ask(N, etop) -> rpc:call(N, etop_txt, update, []), rpc:call(N, observer_backend, etop_collect, [self()]);
ask(N, cpu_sup) -> rpc:call(N, cpu_sup, avg1, []);
ask(N, dist_get_stat) -> {ok, _} = net_kernel:node_info(N);
ask(N, disconnect) -> erlang:monitor_node(N, false).
