%% The Erlang half of links.rs.
%%
%%     erlc links.erl && erl -noshell -sname me -s links -s init stop
-module(links).
-export([start/0]).

start() ->
    [_, Host] = string:split(atom_to_list(node()), "@"),
    Rust = list_to_atom("rust@" ++ Host),
    %% Rust watches a process of ours: see what links.rs prints.
    {watcher, Rust} ! spawn(fun() -> timer:sleep(500), exit({tired, waiting}) end),
    %% We watch one of Rust's, which panics.
    Ref = monitor(process, {fragile, Rust}),
    {fragile, Rust} ! {self(), 4},
    receive Quotient -> io:format("100 / 4 = ~p~n", [Quotient]) after 5000 -> exit(no_answer) end,
    {fragile, Rust} ! {self(), 0},
    receive {'DOWN', Ref, process, _, Reason} -> io:format("fragile ended: ~0p~n", [Reason]) after 5000 -> exit(no_down) end,
    timer:sleep(700).
