%% What a suite does with puppets: commands, events, and the same script played by any two of them.
-module(puppets).
-compile({no_auto_import, [link/1]}).
-export([nodes/1, new/1, another/1, do/2, do/3, tell/2, event/1, event/2, events/2, no_event/1, seen/2, fence/2, link/2,
         watch/1, ended/1,
         same_everywhere/2, same_everywhere/3, far_apart/2, busy/2, queued/2, creation/1]).
-include("check.hrl").

%% The two puppet nodes of the scene.
nodes(#{node := One, node2 := Two}) -> {list_to_atom(One), list_to_atom(Two)}.

%% A new puppet owned by the caller: on a puppet node, or `here`.
new(here) -> own_puppet:start(self());
new(Node) -> do({puppet, Node}, spawn).

another(Pid) when node(Pid) =:= node() -> new(here);
another(Pid) -> new(node(Pid)).

do(Puppet, Command) -> do(Puppet, Command, 10000).

do(Puppet, Command, Ms) ->
    Tag = tell(Puppet, Command),
    receive {Tag, Result} -> Result
    after Ms -> check:fail(0, "~0tp does not answer ~ts; there: ~0tp",
                           [Puppet, string:slice(io_lib:format("~0tp", [Command]), 0, 300), check:waiting()])
    end.

%% A command without its answer (which may come later, or never).
tell(Puppet, Command) ->
    Tag = make_ref(),
    Puppet ! {puppet, self(), Tag, Command},
    Tag.

%% The next thing a puppet received.
event(Puppet) -> event(Puppet, 5000).

event(Puppet, Ms) ->
    receive {event, Puppet, Term} -> Term
    after Ms -> check:fail(0, "~0tp received nothing; there: ~0tp", [Puppet, check:waiting()])
    end.

events(Puppet, N) -> [event(Puppet) || _ <- lists:seq(1, N)].

%% Nothing more comes; for what has no order with anything that could be waited for.
no_event(Puppet) ->
    receive {event, Puppet, Term} -> check:fail(0, "~0tp received ~0tp", [Puppet, Term])
    after 150 -> ok
    end.

%% What A received before a fence that B sends it now: signals from one process to another keep their order.
seen(A, B) ->
    Fence = make_ref(),
    ok = do(B, {send, A, {fence, Fence}}),
    until_fence(A, Fence).

until_fence(A, Fence) ->
    case event(A) of
        {fence, Fence} -> [];
        Term -> [Term | until_fence(A, Fence)]
    end.

%% Nothing that From has sent To is still under way; what To received stays to be looked at.
fence(From, To) ->
    Fence = make_ref(),
    ok = do(From, {send, To, {fence, Fence}}),
    receive {event, To, {fence, Fence}} -> ok
    after 5000 -> check:fail(0, "no fence from ~0tp to ~0tp; there: ~0tp", [From, To, check:waiting()])
    end.

%% A links to B, and B knows: what the tester asks of B now comes after it.
link(A, B) ->
    true = do(A, {link, B}),
    fence(A, B).

%% Monitors a puppet; the monitor is in force when this returns (or the puppet has ended, and its DOWN is there).
watch(Pid) ->
    Ref = monitor(process, Pid),
    Tag = tell(Pid, self),
    receive
        {Tag, Pid} -> Ref;
        {'DOWN', Ref, _, _, _} = Down -> self() ! Down, Ref
    after 5000 -> check:fail(0, "~0tp is neither there nor gone; there: ~0tp", [Pid, check:waiting()])
    end.

%% The reason a watched process ended with.
ended(Ref) ->
    receive {'DOWN', Ref, process, _, Reason} -> Reason
    after 5000 -> check:fail(0, "a process that should have ended has not; there: ~0tp", [check:waiting()])
    end.

%% Makes a puppet wait for Token, so that what it gets queues. Nothing tells when it has begun.
busy(Puppet, Token) ->
    Waiting = tell(Puppet, {await, Token, 10000}),
    timer:sleep(50),
    Waiting.

%% Waits until N messages wait in the mailbox of a puppet that is busy; how many do in the end. What came over another
%% connection, or was sent by somebody else, has no order with what the tester sends next.
queued(Puppet, N) ->
    Counter = another(Puppet),
    Count = queued(Counter, Puppet, N, 500),
    exit(Counter, kill),
    Count.

queued(Counter, Puppet, N, Tries) ->
    case do(Counter, {mailbox_len, Puppet}) of
        Count when Count =:= N; Tries =:= 0 -> Count;
        _ -> timer:sleep(10), queued(Counter, Puppet, N, Tries - 1)
    end.

%% Plays Script(A, B) with puppets here (what the BEAM does: that is right), then with every other placing of the two; its
%% value must always be the same, pids and references aside.
same_everywhere(Config, Script) ->
    {One, Two} = puppets:nodes(Config),
    same_everywhere(Config, [{One, One}, {One, here}, {here, One}, {One, Two}], Script).

same_everywhere(_, Placings, Script) ->
    {value, Right} = play({here, here}, Script),
    lists:foreach(fun(Placing) ->
                          case play(Placing, Script) of
                              {value, Right} -> ok;
                              {value, Other} ->
                                  check:fail(0, "with puppets at ~0tp: ~0tp where the BEAM has ~0tp", [Placing, short(Other), short(Right)])
                          end
                  end, Placings).

short(Term) ->
    Text = io_lib:format("~0tp", [Term]),
    case string:length(Text) > 900 of
        true -> {cut, string:slice(Text, 0, 900)};
        false -> Term
    end.

%% The placings with a connection between the two; what must come out is said by the script itself.
far_apart(Config, Script) ->
    {One, Two} = puppets:nodes(Config),
    [{value, _} = play(Placing, Script) || Placing <- [{One, here}, {here, One}, {One, Two}]].

play({PlaceA, PlaceB} = Placing, Script) ->
    {Pid, Ref} = spawn_monitor(fun() ->
                                       A = new(PlaceA),
                                       B = new(PlaceB),
                                       Value = Script(A, B),
                                       Plain = plain(Value, #{A => 'A', B => 'B', self() => 'Tester'}),
                                       [exit(P, kill) || P <- [A, B]],
                                       exit({value, Plain})
                               end),
    receive
        {'DOWN', Ref, process, Pid, {value, Value}} -> {value, Value};
        {'DOWN', Ref, process, Pid, {{nocatch, {check_failed, Line, Text}}, _}} ->
            check:fail(Line, "with puppets at ~0tp: ~ts", [Placing, Text]);
        {'DOWN', Ref, process, Pid, Reason} -> check:fail(0, "with puppets at ~0tp: ~0tp", [Placing, Reason])
    after 30000 ->
            Where = process_info(Pid, [current_stacktrace, messages]),
            exit(Pid, kill),
            check:fail(0, "with puppets at ~0tp it hangs: ~0tp", [Placing, Where])
    end.

%% Pids, references and nodes by the part they play.
plain(Pid, Known) when is_pid(Pid) -> maps:get(Pid, Known, 'some pid');
plain(Ref, _) when is_reference(Ref) -> 'a reference';
plain([H | T], Known) -> [plain(H, Known) | plain(T, Known)];
plain(Tuple, Known) when is_tuple(Tuple) -> list_to_tuple(plain(tuple_to_list(Tuple), Known));
plain(Map, Known) when is_map(Map) -> maps:from_list(plain(maps:to_list(Map), Known));
plain(Atom, _) when is_atom(Atom) ->
    case lists:member(Atom, [node() | erlang:nodes(connected)]) of
        true -> 'a node';
        false -> Atom
    end;
plain(Other, _) -> Other.

%% The creation inside a pid, read from its bytes (NEW_PID_EXT, its last four).
creation(Pid) ->
    Bytes = term_to_binary(Pid),
    Skip = byte_size(Bytes) - 4,
    <<131, 88, _:(Skip - 2)/binary, Creation:32>> = Bytes,
    Creation.
