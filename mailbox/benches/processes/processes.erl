%% The measures on the BEAM's own processes, printed as main.rs reads them.
-module(processes).
-export([main/0]).

main() ->
    %% The driver is a process of its own: the one that -eval runs in has a large heap.
    {Pid, Ref} = spawn_monitor(fun all/0),
    receive {'DOWN', Ref, process, Pid, Reason} -> halt(case Reason of normal -> 0; _ -> 1 end) end.

all() ->
    out(spawn, spawn_(400)),
    out(pair, pairs(1, 400000)),
    out(pairs, pairs(64, 10000)),
    out(ring, ring(10000, 2000000)),
    out(fan_in, fan_in(8, 500000)),
    out(call, call(200000)),
    {Never, After} = idle(200000),
    out(idle, Never),
    out(idle_after, After).

out(Name, Value) -> io:format("~s ~.3f~n", [Name, float(Value)]).

now_ns() -> erlang:monotonic_time(nanosecond).

each(Start, Times) -> (now_ns() - Start) / Times.

spawn_(Batches) ->
    Left = atomics:new(1, []),
    Me = self(),
    Body = fun() ->
                   receive _ -> ok end,
                   case atomics:sub_get(Left, 1, 1) of 0 -> Me ! done; _ -> ok end
           end,
    Start = now_ns(),
    [begin
         atomics:put(Left, 1, 1000),
         [spawn(Body) ! 1 || _ <- lists:seq(1, 1000)],
         receive done -> ok end
     end || _ <- lists:seq(1, Batches)],
    each(Start, Batches * 1000).

echo(Peer) -> receive stop -> ok; N -> Peer ! N, echo(Peer) end.

bounce(Peer, 0) -> Peer ! stop;
bounce(Peer, N) -> Peer ! N, receive _ -> bounce(Peer, N - 1) end.

pairs(Pairs, Times) ->
    Start = now_ns(),
    Refs = [spawn_monitor(fun() ->
                                  Me = self(),
                                  bounce(spawn_link(fun() -> echo(Me) end), Times)
                          end) || _ <- lists:seq(1, Pairs)],
    [receive {'DOWN', Ref, process, Pid, _} -> ok end || {Pid, Ref} <- Refs],
    each(Start, Pairs * Times).

pass_on(Next) -> receive N -> Next ! N - 1, pass_on(Next) end.

ring(Size, Hops) ->
    First = lists:foldl(fun(_, Next) -> spawn_link(fun() -> pass_on(Next) end) end, self(), lists:seq(2, Size)),
    Start = now_ns(),
    First ! Hops,
    ring_loop(First),
    each(Start, Hops).

ring_loop(First) -> receive N when N > 0 -> First ! N - 1, ring_loop(First); _ -> ok end.

fan_in(Senders, Each) ->
    Me = self(),
    Start = now_ns(),
    Receiver = spawn_link(fun() -> take(Senders * Each), Me ! done end),
    [spawn_link(fun() -> give(Receiver, Each) end) || _ <- lists:seq(1, Senders)],
    receive done -> ok end,
    Senders * Each / ((now_ns() - Start) / 1000).

take(0) -> ok;
take(N) -> receive _ -> take(N - 1) end.

give(_, 0) -> ok;
give(To, N) -> To ! N, give(To, N - 1).

%% What gen_server:call/2 does, and a server that only answers.
call(Times) ->
    Server = spawn_link(fun server/0),
    Start = now_ns(),
    calls(Server, Times),
    each(Start, Times).

calls(_, 0) -> ok;
calls(Server, N) -> {ok, N} = gen:call(Server, '$gen_call', N, 5000), calls(Server, N - 1).

server() -> receive {'$gen_call', From, N} -> gen:reply(From, N), server() end.

idle(Count) ->
    Before = erlang:memory(processes),
    Pids = [spawn(fun wait/0) || _ <- lists:seq(1, Count)],
    timer:sleep(500),
    Never = (erlang:memory(processes) - Before) / Count,
    [Pid ! 1 || Pid <- Pids],
    timer:sleep(1000),
    After = (erlang:memory(processes) - Before) / Count,
    [exit(Pid, kill) || Pid <- Pids],
    {Never, After}.

wait() -> receive _ -> wait() end.
