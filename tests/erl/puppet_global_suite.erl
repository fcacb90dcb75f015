%% global across BEAM and puppet nodes. Issue 6. Wants one hidden and one visible puppet node (node and node2).
-module(puppet_global_suite).
-export([all/0, global_names_are_registered_and_found/1, global_names_of_the_beam_are_found/1, global_send_reaches/1,
         a_global_name_goes_with_its_process/1, a_taken_global_name_is_refused/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, tell/2, event/1, new/1]).

all() ->
    [global_names_are_registered_and_found, global_names_of_the_beam_are_found, global_send_reaches,
     a_global_name_goes_with_its_process, a_taken_global_name_is_refused].

%% global: the visible node takes part; a hidden one would go through a BEAM node.
visible(Config) -> {_, Two} = puppets:nodes(Config), pong = net_adm:ping(Two), global:sync(), new(Two).

global_names_are_registered_and_found(Config) ->
    P = visible(Config),
    ?eq(yes, do(P, {global_register, one_of_ours}, 20000)),
    ?soon(global:whereis_name(one_of_ours) =:= P),
    ?eq(P, do(P, {global_whereis, one_of_ours})),
    ?eq(ok, do(P, {global_unregister, one_of_ours})),
    ?soon(global:whereis_name(one_of_ours) =:= undefined),
    ?eq(undefined, do(P, {global_whereis, one_of_ours})).

global_names_of_the_beam_are_found(Config) ->
    P = visible(Config),
    yes = global:register_name({name, "of the beam"}, self()),
    ?soon(do(P, {global_whereis, {name, "of the beam"}}) =:= self()),
    global:unregister_name({name, "of the beam"}),
    ?soon(do(P, {global_whereis, {name, "of the beam"}}) =:= undefined).

global_send_reaches(Config) ->
    P = visible(Config),
    yes = global:register_name(tester_itself, self()),
    ?soon(do(P, {global_send, tester_itself, hello}) =:= self()),
    ?got(hello),
    ?eq({error, badarg}, do(P, {global_send, nobody_at_all, hello})),
    yes = do(P, {global_register, puppet_itself}, 20000),
    ?soon(global:whereis_name(puppet_itself) =:= P),
    global:send(puppet_itself, hello_puppet),
    ?eq(hello_puppet, event(P)),
    global:unregister_name(tester_itself),
    ok = do(P, {global_unregister, puppet_itself}).

a_global_name_goes_with_its_process(Config) ->
    P = visible(Config),
    yes = do(P, {global_register, mortal}, 20000),
    ?soon(global:whereis_name(mortal) =:= P),
    tell(P, {exit, over}),
    ?soon(global:whereis_name(mortal) =:= undefined).

a_taken_global_name_is_refused(Config) ->
    P = visible(Config),
    yes = global:register_name(taken_name, self()),
    ?soon(do(P, {global_whereis, taken_name}) =:= self()),
    ?eq(no, do(P, {global_register, taken_name}, 20000)),
    global:unregister_name(taken_name).
