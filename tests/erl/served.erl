%% The functions that a Rust node exports in a test, as a BEAM node has them: what is asked of both must come out the same.
-module(served).
-export([add/2, unit/0, raise/2, panic/1, tell/2, tell_leader/1, announce/1, prints/1]).

add(A, B) when is_integer(A), is_integer(B) -> A + B.

unit() -> ok.

raise(error, Reason) -> error(Reason);
raise(exit, Reason) -> exit(Reason);
raise(throw, Reason) -> throw(Reason).

panic(Text) -> error({panic, Text}).

tell(To, What) -> To ! What, told.

tell_leader(To) -> To ! {leader, group_leader()}, told.

%% Tells who runs it, and runs on until it is made to end.
announce(To) ->
    To ! {announced, self()},
    receive nothing_that_comes -> ok end.

prints(Text) -> io:put_chars(Text), printed.
