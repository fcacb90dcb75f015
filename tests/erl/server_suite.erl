%% What sys and supervisors' tools ask of a Rust server: `counter` looked into, suspended, replaced, stopped.
-module(server_suite).
-export([all/0, get_state/1, get_status/1, suspend_and_resume/1, replace_state/1, stop_brings_a_new_one/1, a_linked_caller_survives/1]).
-include("check.hrl").

all() -> [get_state, get_status, suspend_and_resume, replace_state, stop_brings_a_new_one, a_linked_caller_survives].

counter(Config) -> {counter, check:node_of(Config)}.

set(Config, N) ->
    gen_server:cast(counter(Config), {set, N}),
    ?eq(N, gen_server:call(counter(Config), get)).

%% OTP 26.1 changed what sys:get_state and sys:replace_state take for an answer ({ok, State}); before that it is the bare state.
%% A BEAM answers as its own release has it; ours is to suit whoever asks.
same_release(#{own := "true"}) -> ok;
same_release(_) ->
    erlang:system_info(otp_release) =:= "25" orelse check:skip("another program may run on a release that answers otherwise", []).

get_state(Config) ->
    same_release(Config),
    set(Config, 12),
    ?eq(12, sys:get_state(counter(Config))),
    ?eq(12, sys:get_state(counter(Config), 5000)).

get_status(Config) ->
    set(Config, 12),
    {status, Pid, {module, _}, [_Dictionary, running, _Parent, _Debug, Misc]} = sys:get_status(counter(Config)),
    ?eq(check:node_of(Config), node(Pid)),
    %% Somewhere in it stands the state, as format_status of gen_server has it.
    ?match({match, _}, re:run(io_lib:format("~0p", [Misc]), "12")).

suspend_and_resume(Config) ->
    same_release(Config),
    set(Config, 5),
    ?eq(ok, sys:suspend(counter(Config))),
    ?raises(exit, {timeout, _}, gen_server:call(counter(Config), get, 200)),
    {status, _, _, [_, suspended | _]} = sys:get_status(counter(Config)),
    ?eq(5, sys:get_state(counter(Config))),
    counter(Config) ! tick,
    ?eq(ok, sys:resume(counter(Config))),
    ?eq(6, gen_server:call(counter(Config), get)).

replace_state(Config) ->
    same_release(Config),
    set(Config, 5),
    %% The fun travels to the server's node. One that cannot run Erlang code refuses, and says so.
    case try sys:replace_state(counter(Config), fun(N) -> N + 1 end) catch exit:Reason -> {refused, Reason}; error:Reason -> {refused, Reason} end of
        {refused, _} -> ?eq(5, gen_server:call(counter(Config), get));
        6 -> ?eq(6, gen_server:call(counter(Config), get))
    end.

stop_brings_a_new_one(Config) ->
    set(Config, 5),
    Ref = monitor(process, counter(Config)),
    ?eq(ok, gen_server:stop(counter(Config))),
    ?got({'DOWN', Ref, process, _, normal}),
    ?soon(try gen_server:call(counter(Config), get) =:= 0 catch exit:{noproc, _} -> false end),
    ?eq(ok, gen_server:stop(counter(Config), {shutdown, asked}, 5000)),
    ?soon(try gen_server:call(counter(Config), get) =:= 0 catch exit:{noproc, _} -> false end).

%% Terminated from afar the server ends with the reason given.
a_linked_caller_survives(Config) ->
    Ref = monitor(process, counter(Config)),
    ?eq(ok, sys:terminate(counter(Config), shutdown)),
    ?got({'DOWN', Ref, process, _, shutdown}),
    ?soon(try gen_server:call(counter(Config), get) =:= 0 catch exit:{noproc, _} -> false end).
