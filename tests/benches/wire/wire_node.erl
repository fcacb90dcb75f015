%% The BEAM's side of the comparison: `echo`, `sink` and `source` as a BEAM programmer writes them.
-module(wire_node).
-export([main/0]).

main() ->
    register(echo, spawn(fun echo/0)),
    register(sink, spawn(fun() -> sink(0) end)),
    register(source, spawn(fun source/0)),
    io:format("ready ~s~n", [node()]).

echo() ->
    receive {From, Term} -> From ! {echo, Term} end,
    echo().

sink(Count) ->
    receive
        {From, Ref, count} -> From ! {Ref, Count}, sink(0);
        _ -> sink(Count + 1)
    end.

source() ->
    receive {From, Count, Term} ->
        send(From, Count, Term),
        From ! {source, done, Count}
    end,
    source().

send(_, 0, _) -> ok;
send(To, Count, Term) -> To ! Term, send(To, Count - 1, Term).
