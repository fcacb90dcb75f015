%% Servers and supervisors with OTP's own modules, and what OTP's `supervisor` and `sys` modules ask of them: played with those of a
%% BEAM node and those that a Rust node has under the same names. What came of each question is given back in a form that is
%% the same for every node that behaves the same.
-module(supervising).
-export([serve/0, start_link/0, start_link/1, start_sub/0, start_none/0, start_stubborn/0, init/1, handle_call/3, handle_cast/2, handle_info/2,
         handle_continue/2, supervisors/1, strategies/1, servers/1, refused/1]).

%%% What a BEAM node has: see `supervision.rs` for the same in Rust.

serve() ->
    [begin {ok, Pid} = Start, unlink(Pid) end
     || Start <- [supervisor:start_link({local, Name}, ?MODULE, Name) || Name <- [tree, pool, fragile, all_of_them, the_rest, stubborn]]
            ++ [gen_server:start_link({local, keeper}, ?MODULE, 0, [])]],
    ok.

start_link() -> start_link(0).
start_link(N) -> gen_server:start_link(?MODULE, N, []).
start_sub() -> supervisor:start_link(?MODULE, sub).
start_none() -> ignore.

%% A child that does not go when it is told to. When it answers it is past the point where it would have gone.
start_stubborn() -> {ok, spawn_link(fun() -> process_flag(trap_exit, true), stay() end)}.

stay() -> receive {From, ping} -> From ! pong, stay(); _ -> stay() end.

init(tree) ->
    {ok, {#{strategy => one_for_one, intensity => 100, period => 5},
          [child(a, #{}), child(b, #{restart => transient, shutdown => brutal_kill}), child(c, #{restart => temporary, shutdown => 1000}),
           child(d, #{start => {?MODULE, start_sub, []}, type => supervisor, modules => [supervisor]})]}};
init(pool) -> {ok, {#{strategy => simple_one_for_one, intensity => 100, period => 5}, [child(worker, #{})]}};
init(sub) -> {ok, {#{}, []}};
init(fragile) -> {ok, {#{strategy => one_for_one, intensity => 1, period => 60}, [child(only, #{})]}};
init(all_of_them) -> {ok, {#{strategy => one_for_all, intensity => 100, period => 5}, [child(Id, #{}) || Id <- [x, y, z]]}};
init(the_rest) -> {ok, {#{strategy => rest_for_one, intensity => 100, period => 5}, [child(Id, #{}) || Id <- [x, y, z]]}};
init(stubborn) ->
    {ok, {#{}, [child(Id, #{start => {?MODULE, start_stubborn, []}, restart => temporary, shutdown => Shutdown})
                || {Id, Shutdown} <- [{first, 200}, {second, 200}, {brutal, brutal_kill}]]}};
init(N) -> {ok, N}.

child(Id, More) -> maps:merge(#{id => Id, start => {?MODULE, start_link, []}}, More).

handle_call(get, _, N) -> {reply, N, N};
handle_call({add, M}, _, N) -> {reply, N + M, N + M};
handle_call(later, From, N) -> gen_server:reply(From, N), {noreply, N};
handle_call(hold, From, N) -> put(held, From), {noreply, N};
handle_call(again, _, N) -> {reply, N, N, {continue, more}};
handle_call(pause, _, N) -> {reply, N, N, 1};
handle_call(crash, _, N) -> {stop, {crash, requested}, N};
handle_call({stop, Reason}, _, N) -> {stop, Reason, stopped, N}.

handle_cast({set, N}, _) -> {noreply, N};
handle_cast(release, N) -> gen_server:reply(erase(held), late), {noreply, N}.
handle_info(timeout, N) -> {noreply, N + 1000};
handle_info(_, N) -> {noreply, N + 1}.
handle_continue(more, N) -> {noreply, N + 10}.

%%% What is asked. Each question by a process of its own, as one that fails may be sent something late.

asked(Questions, Node) ->
    [begin
         {Pid, Ref} = spawn_monitor(fun() -> exit({came, try {returned, Fun()} catch Class:Reason -> {Class, Reason} end}) end),
         receive
             {'DOWN', Ref, process, Pid, {came, What}} -> {asking:plain(Label, Node), plain(What, Node)};
             {'DOWN', Ref, process, Pid, Other} -> {asking:plain(Label, Node), {ended, plain(Other, Node)}}
         after 15000 -> exit(Pid, kill), {asking:plain(Label, Node), hangs}
         end
     end || {Label, Fun} <- Questions].

%% Maps as the lists of their pairs: pids are found in both.
plain(Term, Node) -> asking:plain(flat(Term), Node).

flat(Map) when is_map(Map) -> {map, [{K, flat(V)} || {K, V} <- lists:sort(maps:to_list(Map))]};
flat([H | T]) -> [flat(H) | flat(T)];
flat(Tuple) when is_tuple(Tuple) -> list_to_tuple(flat(tuple_to_list(Tuple)));
flat(Other) -> Other.

-define(Q(Expression), {??Expression, fun() -> Expression end}).

supervisors(Node) -> asked(tree({tree, Node}) ++ pool({pool, Node}), Node).

tree(T) ->
    [?Q(supervisor:which_children(T)),
     ?Q(supervisor:which_children(pid_of(T))),
     ?Q(supervisor:count_children(T)),
     ?Q([supervisor:get_childspec(T, Id) || Id <- [a, b, c]]),
     ?Q([supervisor:get_childspec(T, Id) || Id <- [nosuch, "text", 17, self(), child_of(T, a)]]),
     ?Q([supervisor:terminate_child(T, Id) || Id <- [nosuch, "text", self()]]),
     ?Q([supervisor:restart_child(T, Id) || Id <- [nosuch, "text", self(), a]]),
     ?Q([supervisor:delete_child(T, Id) || Id <- [nosuch, "text", self(), a]]),
     ?Q(supervisor:terminate_child(T, a)),
     ?Q(supervisor:terminate_child(T, a)),
     ?Q(supervisor:which_children(T)),
     ?Q(supervisor:count_children(T)),
     ?Q(supervisor:start_child(T, child(a, #{}))),
     ?Q(supervisor:restart_child(T, a)),
     ?Q(supervisor:restart_child(T, a)),
     ?Q(supervisor:start_child(T, child(a, #{}))),
     ?Q(supervisor:start_child(T, {a, {m, f, []}, permanent, 5000, worker, []})),
     ?Q(supervisor:terminate_child(T, b)),
     ?Q(supervisor:delete_child(T, b)),
     ?Q(supervisor:delete_child(T, b)),
     ?Q(supervisor:restart_child(T, b)),
     ?Q(supervisor:get_childspec(T, b)),
     ?Q(supervisor:terminate_child(T, c)),
     ?Q(supervisor:terminate_child(T, c)),
     ?Q(supervisor:restart_child(T, c)),
     ?Q(supervisor:terminate_child(T, d)),
     ?Q(supervisor:restart_child(T, d)),
     ?Q(supervisor:which_children(T)),
     ?Q(supervisor:count_children(T)),
     %% A child that crashes is started again.
     ?Q(begin Child = child_of(T, a), {'EXIT', _} = (catch gen_server:call(Child, crash)), becomes(fun() -> is_other(child_of(T, a), Child) end) end),
     ?Q(supervisor:count_children(T)),
     ?Q(begin exit(child_of(T, a), kill), becomes(fun() -> proplists:get_value(active, supervisor:count_children(T)) =:= 2 end) end),
     %% What is wrong with a specification is said in the same words.
     ?Q([supervisor:start_child(T, Spec) || Spec <- bad_specs()]),
     %% A function that no node has.
     ?Q(supervisor:start_child(T, #{id => new, start => {nosuch_module, start_link, [x, 1]}})),
     ?Q(supervisor:start_child(T, {new, {nosuch_module, start_link, []}, temporary, brutal_kill, supervisor, dynamic})),
     %% What a supervisor notes of its events: a message that it does not know, and a question.
     ?Q(sys:log(T, true)),
     ?Q([T ! hello, supervisor:count_children(T)]),
     ?Q(begin {ok, Log} = sys:log(T, get), [{element(1, Event), case Event of {in, Message} -> Message; _ -> state end} || Event <- Log] end),
     ?Q(sys:log(T, false)),
     ?Q(supervisor:which_children(T))] ++
        newer(which_child, 2, [?Q(apply(supervisor, which_child, [T, Id])) || Id <- [a, nosuch, 17]]) ++
    [?Q(supervisor:count_children(element(1, T))) || node() =:= element(2, T)] ++
    [?Q(sys:suspend(T)), ?Q(element(2, lists:nth(4, tuple_to_list(sys:get_status(T))) =/= [])) , ?Q(sys:resume(T)),
     ?Q(supervisor:count_children(T))].

newer(Function, Arity, Questions) ->
    code:ensure_loaded(supervisor),
    case erlang:function_exported(supervisor, Function, Arity) of true -> Questions; false -> [] end.

pool(P) ->
    [?Q(supervisor:which_children(P)),
     ?Q(supervisor:count_children(P)),
     ?Q(supervisor:start_child(P, [5])),
     ?Q(supervisor:start_child(P, [6])),
     ?Q(lists:sort([gen_server:call(Child, get) || {undefined, Child, _, _} <- supervisor:which_children(P)])),
     ?Q(supervisor:which_children(P)),
     ?Q(supervisor:count_children(P)),
     %% (No pid of another node: a BEAM's supervisor falls over it.)
     ?Q([supervisor:get_childspec(P, Id) || Id <- [worker, hd(children_of(P))]]),
     ?Q([supervisor:F(P, Id) || F <- [restart_child, delete_child, terminate_child], Id <- [worker, nosuch]]),
     ?Q([supervisor:F(P, hd(children_of(P))) || F <- [restart_child, delete_child]]),
     ?Q(supervisor:terminate_child(P, hd(children_of(P)))),
     ?Q(supervisor:count_children(P)),
     %% One that crashes is started again with its argument.
     ?Q(begin
            [Child] = children_of(P),
            N = gen_server:call(Child, get),
            gen_server:call(Child, {add, 100}),
            exit(Child, kill),
            becomes(fun() -> case children_of(P) of [Other] when Other =/= Child -> gen_server:call(Other, get) =:= N; _ -> false end end)
        end),
     ?Q(begin [supervisor:terminate_child(P, Child) || Child <- children_of(P)], supervisor:which_children(P) end),
     ?Q(supervisor:count_children(P))].

%%% Supervisors as processes that others are tied to, and what they do to their children.

strategies(N) -> asked(tied({tree, N}) ++ restarting(N) ++ stopping(N), N).

%% Who is no parent and no child ends no supervisor.
tied(T) ->
    [?Q(begin
            {Pid, Ref} = spawn_monitor(fun() -> link(pid_of(T)), exit(boom) end),
            Why = receive {'DOWN', Ref, process, Pid, R} -> R after 5000 -> hangs end,
            {Why, supervisor:count_children(T)}
        end),
     ?Q(begin Pid = pid_of(T), [exit(Pid, R) || R <- [normal, shutdown, boom]], supervisor:count_children(Pid) end)].

restarting(N) ->
    [?Q(restarted({all_of_them, N}, x)),
     ?Q(restarted({all_of_them, N}, z)),
     ?Q(restarted({the_rest, N}, x)),
     ?Q(restarted({the_rest, N}, y)),
     ?Q(restarted({the_rest, N}, z)),
     ?Q(restarted({fragile, N}, only)),
     %% Once more is once too often; what is linked to it and what watches it is told.
     ?Q(begin
            process_flag(trap_exit, true),
            Pid = pid_of({fragile, N}),
            link(Pid),
            Ref = monitor(process, {fragile, N}),
            Child = child_of({fragile, N}, only),
            ChildRef = monitor(process, Child),
            exit(Child, kill),
            Told = [receive {'DOWN', ChildRef, process, Child, Why} -> Why after 5000 -> hangs end,
                    receive {'EXIT', Pid, Why} -> Why after 5000 -> hangs end,
                    receive {'DOWN', Ref, process, _, Why} -> Why after 5000 -> hangs end],
            {Told, catch supervisor:which_children({fragile, N})}
        end)].

%% Which of the children are others after one of them was killed.
restarted(T, Id) ->
    Before = supervisor:which_children(T),
    Child = child_of(T, Id),
    exit(Child, kill),
    %% It answers between restarts, not in the middle of one.
    so = becomes(fun() -> is_other(child_of(T, Id), Child) end),
    lists:sort([{I, is_other(P, child_of_list(I, Before))} || {I, P, _, _} <- supervisor:which_children(T)]).

child_of_list(Id, Children) -> {Id, Child, _, _} = lists:keyfind(Id, 1, Children), Child.

%% Told to go, killed when they have not gone in time, or killed at once.
stopping(N) ->
    [?Q(stopped([first], N, fun() -> supervisor:terminate_child({stubborn, N}, first) end)),
     ?Q(stopped([brutal], N, fun() -> supervisor:terminate_child({stubborn, N}, brutal) end)),
     ?Q(stopped([second], N, fun() -> gen_server:stop({stubborn, N}) end)),
     ?Q(begin
            Refs = [monitor(process, P) || {_, P, _, _} <- supervisor:which_children({the_rest, N})] ++ [monitor(process, {the_rest, N})],
            Said = gen_server:stop({the_rest, N}, shutdown, 5000),
            {Said, [receive {'DOWN', Ref, process, _, Why} -> Why after 5000 -> hangs end || Ref <- Refs]}
        end),
     ?Q(supervisor:which_children({the_rest, N}))].

stopped(Ids, N, Stop) ->
    Children = [child_of({stubborn, N}, Id) || Id <- Ids],
    Refs = [monitor(process, Child) || Child <- Children],
    [begin Child ! {self(), ping}, receive pong -> ok end end || Child <- Children],
    Said = Stop(),
    {Said, [receive {'DOWN', Ref, process, _, Why} -> Why after 5000 -> hangs end || Ref <- Refs]}.

children_of(P) -> [Child || {_, Child, _, _} <- supervisor:which_children(P), is_pid(Child)].
child_of(T, Id) -> {Id, Child, _, _} = lists:keyfind(Id, 1, supervisor:which_children(T)), Child.
pid_of({Name, Node}) -> erpc:call(asking_node(Node), fun() -> whereis_at(Name, Node) end).

%% The pid behind a name: any monitor's DOWN tells a name, but a status has the pid.
asking_node(_) -> node().
whereis_at(Name, Node) -> element(2, sys:get_status({Name, Node})).

is_other(Now, Before) -> is_pid(Now) andalso Now =/= Before.

becomes(Fun) -> becomes(Fun, 500).
becomes(_, 0) -> never;
becomes(Fun, Tries) -> case catch Fun() of true -> so; _ -> timer:sleep(10), becomes(Fun, Tries - 1) end.

bad_specs() ->
    Start = {m, f, []},
    [nonsense, {too, short}, #{}, #{id => x}, #{start => Start}, #{id => x, start => nonsense}, #{id => x, start => {m, f, no_list}}, #{id => x, start => {"m", f, []}},
     #{id => x, start => Start, restart => sometimes}, #{id => x, start => Start, type => thing}, #{id => x, start => Start, shutdown => -1},
     #{id => x, start => Start, shutdown => soon}, #{id => x, start => Start, modules => no_list}, #{id => x, start => Start, modules => [1]},
     #{id => x, start => Start, significant => true}, #{id => x, start => Start, significant => maybe_so}, {x, Start, permanent, 5000, worker, 17},
     {x, Start, permanent, 5000, thing, []}, {x, Start, 1, 2, 3, 4}].

servers(Node) -> asked(server({keeper, Node}), Node).

server(S) ->
    [?Q(sys:get_state(S)),
     ?Q(sys:replace_state(S, fun(N) -> N + 5 end)),
     ?Q(sys:replace_state(S, fun(_) -> error(oops) end)),
     ?Q(sys:replace_state(S, fun(_) -> exit(oops) end)),
     ?Q(gen_server:call(S, get)),
     ?Q(status(S)),
     %% Suspended it answers `sys` and nobody else; what comes waits.
     ?Q(sys:suspend(S)),
     ?Q(sys:suspend(S)),
     ?Q(status(S)),
     ?Q(gen_server:call(S, get, 100)),
     ?Q([gen_server:cast(S, {set, 7}), S ! info]),
     ?Q(sys:get_state(S)),
     ?Q(sys:replace_state(S, fun(N) -> N + 1 end)),
     ?Q(sys:change_code(S, ?MODULE, old, extra)),
     ?Q(sys:resume(S)),
     ?Q(sys:resume(S)),
     ?Q(becomes(fun() -> gen_server:call(S, get) =:= 8 end)),
     ?Q(sys:change_code(S, ?MODULE, old, extra)),
     %% (Looked at by `sys`: any other message ends the waiting for which the time-out is.)
     ?Q(gen_server:call(S, pause)), ?Q(becomes(fun() -> sys:get_state(S) =:= 1008 end)),
     ?Q([gen_server:cast(S, {set, 0}), gen_server:call(S, get)]),
     %% The log.
     ?Q(sys:log(S, get)),
     ?Q(sys:log(S, true)),
     ?Q([gen_server:call(S, get), gen_server:cast(S, {set, 3}), S ! hello, gen_server:call(S, later), gen_server:call(S, again), gen_server:call(S, {add, 1})]),
     ?Q(sys:log(S, get)),
     ?Q(status(S)),
     ?Q(sys:log(S, {true, 3})),
     ?Q(sys:log(S, get)),
     ?Q([gen_server:call(S, get), gen_server:call(S, {add, 1})]),
     ?Q(sys:log(S, get)),
     ?Q([sys:log(S, How) || How <- [false, {true, 3}]]),
     ?Q([gen_server:call(S, get), gen_server:cast(S, {set, 3}), gen_server:call(S, get)]),
     ?Q(sys:log(S, get)),
     ?Q([sys:log(S, How) || How <- [false, {true, 1 bsl 80}]]),
     ?Q([gen_server:call(S, get) || _ <- lists:seq(1, 5)]),
     ?Q(begin {ok, Log} = sys:log(S, get), length(Log) end),
     ?Q(sys:log(S, print)),
     ?Q(sys:log(S, false)),
     ?Q(sys:log(S, get)),
     %% Statistics; their times and reductions are each node's own.
     ?Q(sys:statistics(S, get)),
     ?Q(sys:statistics(S, true)),
     ?Q([gen_server:call(S, get), gen_server:cast(S, {set, 3}), S ! hello, gen_server:call(S, get)]),
     ?Q(begin {ok, Statistics} = sys:statistics(S, get), [lists:keyfind(K, 1, Statistics) || K <- [messages_in, messages_out]] end),
     ?Q(begin
            {ok, Statistics} = sys:statistics(S, get),
            [calendar:valid_date(D) andalso is_integer(H) || {K, {D, {H, _, _}}} <- Statistics, lists:member(K, [start_time, current_time])]
        end),
     ?Q(sys:statistics(S, false)),
     ?Q(sys:statistics(S, get)),
     ?Q([sys:trace(S, On) || On <- [true, true]]),
     ?Q(gen_server:call(S, get)),
     ?Q(element(4, list_to_tuple(element(4, sys:get_status(S))))),
     ?Q([sys:trace(S, On) || On <- [false, false]]),
     ?Q(sys:log_to_file(S, "/no/such/directory/log")),
     ?Q(sys:log_to_file(S, false)),
     ?Q(sys:remove(S, fun(_, _, _) -> done end)),
     ?Q([sys:no_debug(S), sys:log(S, get)]),
     ?Q([gen:call(S, system, Nonsense) || Nonsense <- [nonsense, {nonsense}, {debug, nonsense}, {debug, {trace, maybe_so}}, {debug, {log, {true, 0}}}, {debug, {1, 2}}, {terminate}, {change_code, x}]]),
     ?Q(gen_server:call(S, get)),
     ?Q(ends(S, fun() -> sys:terminate(S, {shutdown, asked}) end)),
     ?Q(sys:get_state(S))].

%% Without what is each node's own: the process dictionary, pids.
status(S) ->
    {status, Pid, Module, [_, Mode, Parent, _, [Header | Data]]} = sys:get_status(S),
    [is_pid(Pid), Module, Mode, is_pid(Parent), Header | [[case Item of {"Parent", P} -> {"Parent", is_pid(P)}; _ -> Item end || Item <- Items] || {data, Items} <- Data]].

ends(S, Fun) ->
    Ref = monitor(process, S),
    Said = Fun(),
    receive {'DOWN', Ref, process, _, Reason} -> {Said, Reason} after 5000 -> {Said, still_there} end.

%% What a Rust node cannot do and a BEAM can: refused at once, in OTP's words.
refused(Node) ->
    asked([?Q(sys:install({keeper, Node}, {fun(State, _, _) -> State end, 0})),
           ?Q(sys:install({keeper, Node}, {id, fun(State, _, _) -> State end, 0})),
           ?Q(sys:log_to_file({keeper, Node}, "a_file")),
           ?Q(supervisor:start_child({tree, Node}, #{id => new, start => {?MODULE, start_link, []}})),
           ?Q(is_atom(supervisor:get_callback_module({tree, Node}))),
           ?Q(gen_server:call({tree, Node}, nonsense)),
           ?Q(supervisor:count_children({tree, Node}))], Node).
