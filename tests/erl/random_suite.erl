%% Random scripts of signals among four processes: played by the BEAM's own, then by puppets in other placings.
-module(random_suite).
-export([all/0, four_processes_on_one_node/1, four_processes_on_three_nodes/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, new/1]).

all() -> [four_processes_on_one_node, four_processes_on_three_nodes].

four_processes_on_one_node(Config) ->
    {One, _} = puppets:nodes(Config),
    compare([One, One, One, One], 5).

four_processes_on_three_nodes(Config) ->
    {One, Two} = puppets:nodes(Config),
    compare([One, here, Two, One], 5).

%% All side by side, as most of it is waiting.
compare(Places, Scripts) ->
    Seed = terms:seed(),
    Written = [{N, [step() || _ <- lists:seq(1, 40)]} || N <- lists:seq(1, Scripts)],
    Played = [spawn_monitor(fun() -> exit({came, try alike(Places, Seed, N, Script) catch throw:Failed -> Failed end}) end)
              || {N, Script} <- Written],
    [receive
         {'DOWN', Ref, process, Pid, {came, ok}} -> ok;
         {'DOWN', Ref, process, Pid, {came, Failed}} -> throw(Failed);
         {'DOWN', Ref, process, Pid, Reason} -> exit(Reason)
     end || {Pid, Ref} <- Played],
    ok.

alike(Places, Seed, N, Script) ->
    Once = fun(Patience) ->
                   put(patience, Patience),
                   Right = play([here, here, here, here], Script),
                   first_difference(Seed, N, Script, Right, play(Places, Script))
           end,
    %% What the end of a process brings about is waited for by time; a busy machine, the BEAM on it too, may need more.
    try Once(80) catch throw:{check_failed, _, _} -> Once(800) end.

first_difference(Seed, N, Script, Right, Got) ->
    case lists:splitwith(fun({_, R, G}) -> R =:= G end, lists:zip3(Script, Right, Got)) of
        {_, []} -> ok;
        {Before, [{Step, R, G} | _]} ->
            check:fail(0, "seed ~w, script ~w, at ~0p: ~0p where the BEAM has ~0p, after ~0p", [Seed, N, Step, G, R, [S || {S, _, _} <- Before]])
    end.

%% One thing that one of the four does; others and references are meant by number.
step() ->
    {rand:uniform(4), one_of([{link, who()}, {link, who()}, {unlink, who()}, {monitor, who()}, {monitor, who(), one_of([explicit_unalias, demonitor, reply_demonitor])},
                              {demonitor, rand:uniform(20), one_of([[], [flush], [info], [flush, info]])}, {trap_exit, rand:uniform(2) =:= 1}, {trap_exit, true},
                              {exit, who(), reason()}, die, {send, who(), rand:uniform(1000)}, alias, {alias, [reply]}, {unalias, rand:uniform(20)},
                              {send_alias, rand:uniform(20), rand:uniform(1000)}, {register, who()}, {unregister}, {send_name, rand:uniform(1000)}, {monitor_name},
                              {monitor_tagged, who(), one_of([explicit_unalias, demonitor, reply_demonitor])}, {in_haste, who(), one_of([2, 3, 4])},
                              {send_self, rand:uniform(1000)}, {links, who()}])}.

who() -> rand:uniform(4).
reason() -> one_of([normal, shutdown, kill, killed, noproc, {some, reason}, "text"]).
one_of(List) -> lists:nth(rand:uniform(length(List)), List).

%% What each of the four received after each step, and who ended and why.
play(Places, Script) ->
    Patience = get(patience),
    {Pid, Ref} = spawn_monitor(fun() ->
                                       put(patience, Patience),
                                       State = lists:foldl(fun(I, S) -> born(I, S) end,
                                                           #{places => Places, who => #{}, known => #{}, refs => [], watched => #{}}, [1, 2, 3, 4]),
                                       {Outcomes, Last} = lists:mapfoldl(fun played/2, State, Script),
                                       [exit(P, kill) || P <- maps:values(map_get(who, Last))],
                                       exit({outcomes, Outcomes})
                               end),
    receive
        {'DOWN', Ref, process, Pid, {outcomes, Outcomes}} -> Outcomes;
        {'DOWN', Ref, process, Pid, Reason} -> check:fail(0, "with puppets at ~0p: ~0p", [Places, Reason])
    after 35000 + 200 * Patience -> exit(Pid, kill), check:fail(0, "with puppets at ~0p it hangs", [Places])
    end.

born(I, #{places := Places, who := Who, known := Known, watched := Watched} = State) ->
    P = new(lists:nth(I, Places)),
    Generation = length([x || {J, _} <- maps:values(Known), J =:= I]),
    State#{who := Who#{I => P}, known := Known#{P => {I, Generation}}, watched := Watched#{puppets:watch(P) => P}}.

played({I, Step}, State0) ->
    State = lists:foldl(fun(J, S) -> case maps:is_key(J, map_get(who, S)) of true -> S; false -> born(J, S) end end, State0, [1, 2, 3, 4]),
    P = map_get(I, map_get(who, State)),
    put(acting, P),
    {Answer, State1} = act(P, I, Step, State),
    settle(State1),
    {Ends, State2} = ends(State1, []),
    case Ends of
        [] -> ok;
        %% The signals of one that ended have no fence: time for them, and for what they bring about.
        _ -> timer:sleep(get(patience))
    end,
    {More, State3} = later_ends(Ends, State2),
    settle(State3),
    %% Whether one that ended looked at its mailbox first is chance, on a BEAM too.
    Gone = [map_get(Ended, map_get(known, State3)) || {ended, Ended, _} <- More],
    Received = [R || {Name, _} = R <- received(State3), not lists:member(Name, Gone)],
    {{plain(Answer, State3), lists:sort(plain(More, State3)), Received}, State3}.

later_ends([], State) -> {[], State};
later_ends(Ends, State) ->
    case ends(State, []) of
        {[], Same} -> {Ends, Same};
        {New, Next} -> timer:sleep(get(patience)), later_ends(Ends ++ New, Next)
    end.

act(P, _, die, State) -> tell(P, {exit, {died, of_itself}}), wait_end(P, State);
act(P, I, {exit, I, Reason}, State) -> tell(P, {exit, P, Reason}), timer:sleep(get(patience) div 2), {told, State};
act(P, _, {exit, J, Reason}, State) -> {do(P, {exit, pid(J, State), Reason}), State};
act(P, _, {Op, J}, State) when Op =:= link; Op =:= unlink -> {do(P, {Op, pid(J, State)}), State};
act(P, _, {monitor, J}, State) -> remember(do(P, {monitor, pid(J, State)}), State);
act(P, _, {monitor, J, Mode}, State) -> remember(do(P, {monitor, pid(J, State), [{alias, Mode}]}), State);
act(P, _, {monitor_tagged, J, Mode}, State) -> remember(do(P, {monitor, pid(J, State), [{tag, {tag, J}}, {alias, Mode}]}), State);
%% Links and unlinks one after the other, without waiting: an even number leaves none.
act(P, _, {in_haste, J, N}, State) ->
    To = pid(J, State),
    [tell(P, {lists:nth(I rem 2 + 1, [unlink, link]), To}) || I <- lists:seq(1, N)],
    {told, State};
act(P, _, {send_self, M}, State) -> {do(P, {send, P, M}), State};
%% What both sides of a link, or of none, think of it shows in turn.
act(P, _, {links, J}, State) -> {lists:member(pid(J, State), do(P, links)), State};
act(P, _, {demonitor, N, Options}, State) -> with_ref(N, State, fun(Ref) -> own_ref(P, {demonitor, Ref, Options}, State, N) end);
act(P, _, {trap_exit, Flag}, State) -> {do(P, {trap_exit, Flag}), State};
act(P, _, {send, J, M}, State) -> {do(P, {send, pid(J, State), M}), State};
act(P, _, alias, State) -> remember(do(P, alias), State);
act(P, _, {alias, Options}, State) -> remember(do(P, {alias, Options}), State);
act(P, _, {unalias, N}, State) -> with_ref(N, State, fun(Ref) -> own_ref(P, {unalias, Ref}, State, N) end);
act(P, _, {send_alias, N, M}, State) -> with_ref(N, State, fun(Ref) -> do(P, {send, Ref, M}) end);
act(P, _, {register, _}, State) -> {do(P, {register, random_name(P), P}), State};
act(P, _, {unregister}, State) -> {do(P, {unregister, random_name(P)}), State};
act(P, _, {send_name, M}, State) -> {do(P, {send, {random_name(P), node(P)}, M}), State};
act(P, _, {monitor_name}, State) -> remember(do(P, {monitor, {random_name(P), node(P)}}), State).

%% Each of the four has a name of its own: on one node or three, nobody's registration is in another's way.
random_name(P) -> list_to_atom("random_" ++ integer_to_list(erlang:phash2(P))).

%% Only who made a reference may close it: demonitor of another's is an error on a BEAM.
own_ref(P, Command, #{refs := Refs}, N) ->
    case lists:nth(N, Refs) of
        {_, P} -> do(P, Command);
        _ -> not_its_own
    end.

%% A new reference, and whose it is: the one that acts in this step.
remember(Ref, #{refs := Refs} = State) -> {Ref, State#{refs := Refs ++ [{Ref, get(acting)}]}}.

with_ref(N, #{refs := Refs} = State, Fun) when N =< length(Refs) ->
    {Ref, _} = lists:nth(N, Refs),
    {Fun(Ref), State};
with_ref(_, State, _) -> {no_such_reference, State}.

pid(J, #{who := Who}) -> map_get(J, Who).

wait_end(P, #{watched := Watched} = State) ->
    [Ref] = [R || {R, Q} <- maps:to_list(Watched), Q =:= P],
    receive {'DOWN', Ref, process, P, _} = Down -> self() ! Down after 5000 -> check:fail(0, "~p does not end", [P]) end,
    {told, State}.

%% Those who have ended since the last look.
ends(#{watched := Watched, who := Who} = State, Seen) ->
    receive
        {'DOWN', Ref, process, P, Reason} when is_map_key(Ref, Watched) ->
            ends(State#{watched := maps:remove(Ref, Watched), who := maps:filter(fun(_, Q) -> Q =/= P end, Who)}, [{ended, P, Reason} | Seen])
    after 0 -> {Seen, State}
    end.

%% Every living one fences to every other: nothing that one sent another is still under way. One that ends meanwhile is let be.
settle(#{who := Who, watched := Watched}) ->
    Living = [P || P <- maps:values(Who)],
    [fence(From, To, Watched) || _ <- [1, 2], From <- Living, To <- Living].

fence(From, To, Watched) ->
    Mark = make_ref(),
    tell(From, {send, To, {fence, Mark}}),
    await_fence(From, To, Mark, [R || {R, P} <- maps:to_list(Watched), P =:= From orelse P =:= To]).

await_fence(From, To, Mark, Refs) ->
    receive
        {event, To, {fence, Mark}} -> ok;
        {'DOWN', Ref, process, _, _} = Down when hd(Refs) =:= Ref; tl(Refs) =/= [], hd(tl(Refs)) =:= Ref -> self() ! Down, ok
    after 5000 -> check:fail(0, "no fence from ~p to ~p; there: ~0p", [From, To, check:waiting()])
    end.

%% The events of each since the last time, in order where one sender's, so sorted: two senders have none between them.
received(#{known := Known} = State) ->
    [{Name, lists:sort(plain(drain(P), State))} || {P, Name} <- lists:keysort(2, maps:to_list(Known))].

drain(P) ->
    receive
        {event, P, {fence, _}} -> drain(P);
        {event, P, Term} -> [Term | drain(P)]
    after 0 -> []
    end.

plain(Pid, #{known := Known}) when is_pid(Pid) -> map_get(Pid, Known);
plain(Ref, #{refs := Refs}) when is_reference(Ref) ->
    case [N || {N, {R, _}} <- lists:zip(lists:seq(1, length(Refs)), Refs), R =:= Ref] of
        [N] -> {reference, N};
        [] -> 'a reference'
    end;
plain([H | T], State) -> [plain(H, State) | plain(T, State)];
plain(Tuple, State) when is_tuple(Tuple) -> list_to_tuple(plain(tuple_to_list(Tuple), State));
plain(Atom, _) when is_atom(Atom) ->
    case atom_to_list(Atom) of
        "random_" ++ _ -> 'a name';
        Text -> case lists:member($@, Text) of true -> 'a node'; false -> Atom end
    end;
plain(Other, _) -> Other.
