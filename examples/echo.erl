%% The Erlang half of echo.rs and echo_thread.rs.
%%
%%     erlc echo.erl && erl -noshell -sname me -s echo -s init stop
-module(echo).
-export([start/0]).

start() ->
    [_, Host] = string:split(atom_to_list(node()), "@"),
    Rust = list_to_atom("rust@" ++ Host),
    {echo, Rust} ! {self(), #{greeting => <<"hello">>, from => node()}},
    receive
        {echo, Term} -> io:format("~p echoes ~p~n", [Rust, Term])
    after 5000 ->
        io:format("~p does not answer: is it started, with the same cookie?~n", [Rust])
    end.
