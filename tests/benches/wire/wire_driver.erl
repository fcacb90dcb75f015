%% Drives one node through the measures asked for, from a real `erl`, and prints `@result name value` for each.
-module(wire_driver).
-export([main/0]).

-define(MIB, (1 bsl 20)).

%% Arguments: the node, its process id, and the measures.
main() ->
    [Name, Pid | Measures] = init:get_plain_arguments(),
    Node = list_to_atom(Name),
    [in_turn(Measure, Node, Pid) || Measure <- Measures],
    halt(0).

%% Each measure has a process of its own, so that none inherits another's heap; and a connection that an earlier one may have lost.
in_turn(Measure, Node, Pid) ->
    case net_kernel:connect_node(Node) of
        true -> alone(Measure, Node, Pid);
        false -> fail(Measure, no_connection)
    end.

alone(Measure, Node, Pid) ->
    true = monitor_node(Node, true),
    {Process, Monitor} = spawn_opt(fun() -> measure(list_to_atom(Measure), Node, Pid) end, [monitor, {min_heap_size, 300000}]),
    receive
        {'DOWN', Monitor, process, _, normal} -> true = monitor_node(Node, false);
        {'DOWN', Monitor, process, _, Reason} -> true = monitor_node(Node, false), fail(Measure, Reason);
        {nodedown, Node} -> exit(Process, kill), fail(Measure, {nodedown, Node})
    after 60000 -> exit(Process, kill), true = monitor_node(Node, false), fail(Measure, no_end_in_60_s)
    end.

fail(Measure, Reason) -> io:format("@failed ~s ~0p~n", [Measure, Reason]).

result(Name, Value) -> io:format("@result ~s ~.6f~n", [Name, float(Value)]).

%% ---- small messages, there and back

measure(round_trip, Node, _) ->
    _ = trips(Node, 2000),
    Sorted = lists:sort(trips(Node, 20000)),
    result(rtt_p50, lists:nth(10000, Sorted) / 1000),
    result(rtt_p99, lists:nth(19800, Sorted) / 1000);
measure(echo_64, Node, Pid) -> outstanding(Node, Pid, echo_64, 64, 60000);
measure(echo_1000, Node, Pid) -> outstanding(Node, Pid, echo_1000, 1000, 80000);

%% ---- towards the node

measure(sink_small, Node, Pid) ->
    Count = 200000,
    sink(Node, 10000, hello),
    {Cpu, Time} = spent(Pid, fun() -> sink(Node, Count, hello) end),
    result(sink_small_cpu, Cpu * 1000000 / Count),
    result(sink_small, Count / Time / 1000);
measure(sink_map, Node, Pid) -> sink_bytes(Node, Pid, sink_map, 60000, map());
measure(sink_list, Node, Pid) -> sink_bytes(Node, Pid, sink_list, 4000, list());
measure(sink_1m, Node, Pid) -> sink_bytes(Node, Pid, sink_1m, 500, bytes(?MIB));
measure(sink_16m, Node, Pid) -> sink_bytes(Node, Pid, sink_16m, 32, bytes(16 * ?MIB));

%% ---- from the node

measure(source_small, Node, Pid) ->
    Count = 300000,
    _ = source(Node, Pid, 10000, hello),
    {Cpu, Time} = source(Node, Pid, Count, hello),
    result(source_small_cpu, Cpu * 1000000 / Count),
    result(source_small, Count / Time / 1000);
measure(source_map, Node, Pid) -> source_bytes(Node, Pid, source_map, 60000, map());
measure(source_list, Node, Pid) -> source_bytes(Node, Pid, source_list, 4000, list());
measure(source_1m, Node, Pid) -> source_bytes(Node, Pid, source_1m, 500, bytes(?MIB));
measure(source_16m, Node, Pid) -> source_bytes(Node, Pid, source_16m, 32, bytes(16 * ?MIB));

%% ---- small echoes beside a large message

measure(beside_in, Node, _) ->
    Binary = bytes(64 * ?MIB),
    Longest = [begin
                   Pinger = pinger(Node),
                   Begin = now_ns(),
                   sink(Node, 1, Binary),
                   longest(Pinger, Begin, now_ns())
               end || _ <- lists:seq(1, 5)],
    result(beside_in, median(Longest) / 1000000);
measure(beside_out, Node, _) ->
    Binary = bytes(64 * ?MIB),
    Longest = [begin
                   {source, Node} ! {self(), 3, Binary},
                   receive Binary -> ok end,
                   Pinger = pinger(Node),
                   Begin = now_ns(),
                   receive Binary -> ok end,
                   receive Binary -> ok end,
                   End = now_ns(),
                   receive {source, done, 3} -> ok end,
                   longest(Pinger, Begin, End)
               end || _ <- lists:seq(1, 3)],
    result(beside_out, median(Longest) / 1000000);

%% ---- memory

measure(memory, Node, Pid) ->
    _ = trips(Node, 100),
    result(rss_idle, status(Pid, <<"VmRSS:">>)),
    Binary = bytes(16 * ?MIB),
    %% 5: begin again with the highest resident size.
    ok = file:write_file("/proc/" ++ Pid ++ "/clear_refs", <<"5">>),
    [sink(Node, 1, Binary) || _ <- lists:seq(1, 12)],
    sink(Node, 12, Binary),
    result(rss_16m, status(Pid, <<"VmHWM:">>)),
    timer:sleep(1500),
    result(rss_after, status(Pid, <<"VmRSS:">>)).

%% ---- how

trips(Node, Count) -> trips({echo, Node}, Count, []).

trips(_, 0, Times) -> Times;
trips(Echo, Count, Times) ->
    Begin = now_ns(),
    Echo ! {self(), hello},
    receive {echo, hello} -> ok end,
    trips(Echo, Count - 1, [now_ns() - Begin | Times]).

outstanding(Node, Pid, Name, Window, Count) ->
    Echo = {echo, Node},
    window(Echo, Window, 4 * Window),
    {Cpu, Time} = spent(Pid, fun() -> window(Echo, Window, Count) end),
    result(Name, Count / Time / 1000),
    result(atom_to_list(Name) ++ "_cpu", Cpu * 1000000 / Count).

window(Echo, Window, Count) ->
    [Echo ! {self(), hello} || _ <- lists:seq(1, Window)],
    window(Echo, Count - Window),
    [receive {echo, hello} -> ok end || _ <- lists:seq(1, Window)].

window(_, 0) -> ok;
window(Echo, Count) ->
    receive {echo, hello} -> ok end,
    Echo ! {self(), hello},
    window(Echo, Count - 1).

%% Sends, and asks how many arrived: all of them must have.
sink(Node, Count, Term) ->
    send({sink, Node}, Count, Term),
    Ref = make_ref(),
    {sink, Node} ! {self(), Ref, count},
    receive {Ref, Count} -> ok; {Ref, Other} -> exit({Count, sent, Other, arrived}) end.

send(_, 0, _) -> ok;
send(To, Count, Term) -> To ! Term, send(To, Count - 1, Term).

sink_bytes(Node, Pid, Name, Count, Term) ->
    Gigabytes = Count * byte_size(term_to_binary(Term)) / 1.0e9,
    sink(Node, Count div 20 + 1, Term),
    {Cpu, Time} = spent(Pid, fun() -> sink(Node, Count, Term) end),
    result(atom_to_list(Name) ++ "_cpu", Cpu / Gigabytes),
    result(Name, Gigabytes * 1000 / Time).

source_bytes(Node, Pid, Name, Count, Term) ->
    Gigabytes = Count * byte_size(term_to_binary(Term)) / 1.0e9,
    _ = source(Node, Pid, Count div 20 + 1, Term),
    {Cpu, Time} = source(Node, Pid, Count, Term),
    result(atom_to_list(Name) ++ "_cpu", Cpu / Gigabytes),
    result(Name, Gigabytes * 1000 / Time).

%% Has the term sent; the time begins with the first to arrive, as what is asked for has to get there before.
source(Node, Pid, Count, Term) ->
    {source, Node} ! {self(), Count + 1, Term},
    receive {source, done, _} -> exit(nothing_arrived); _ -> ok end,
    spent(Pid, fun() -> Count = arrivals(0) end).

arrivals(Count) ->
    receive {source, done, _} -> Count; _ -> arrivals(Count + 1) end.

%% Echoes one after the other until asked for their times.
pinger(Node) -> spawn(fun() -> ping({echo, Node}, []) end).

ping(Echo, Trips) ->
    receive {times, From} -> From ! {self(), Trips}
    after 0 ->
        Begin = now_ns(),
        Echo ! {self(), hello},
        receive {echo, hello} -> ok end,
        ping(Echo, [{Begin, now_ns() - Begin} | Trips])
    end.

%% The longest of those that were under way between the two: there is always one, if only the one asked for the times during.
longest(Pinger, From, To) ->
    Pinger ! {times, self()},
    receive {Pinger, Trips} -> lists:max([Time || {Begin, Time} <- Trips, Begin + Time >= From, Begin =< To]) end.

%% Seconds of processor time of all the node's threads, and seconds of the clock.
spent(Pid, Fun) ->
    Cpu = cpu(Pid), Begin = now_ns(),
    Fun(),
    End = now_ns(),
    {(cpu(Pid) - Cpu) / 1.0e9, (End - Begin) / 1.0e9}.

cpu(Pid) ->
    Tasks = "/proc/" ++ Pid ++ "/task/",
    {ok, Threads} = file:list_dir(Tasks),
    lists:sum([thread_cpu(Tasks ++ Thread ++ "/schedstat") || Thread <- Threads]).

thread_cpu(File) ->
    case file:read_file(File) of
        {ok, Text} -> binary_to_integer(hd(binary:split(Text, <<" ">>)));
        {error, _} -> 0
    end.

%% MiB.
status(Pid, Field) ->
    {ok, Text} = file:read_file("/proc/" ++ Pid ++ "/status"),
    [Line] = [Line || Line <- binary:split(Text, <<"\n">>, [global]), binary:match(Line, Field) =:= {0, byte_size(Field)}],
    [_, Kib, _] = string:lexemes(Line, " \t"),
    binary_to_integer(Kib) / 1024.

map() -> maps:from_list([{list_to_atom("key_" ++ integer_to_list(I)), I} || I <- lists:seq(1, 20)]).

list() -> [{item, I, ok} || I <- lists:seq(1, 1000)].

bytes(Size) -> binary:copy(<<7>>, Size).

now_ns() -> erlang:monotonic_time(nanosecond).

median(List) -> lists:nth((length(List) + 1) div 2, lists:sort(List)).
