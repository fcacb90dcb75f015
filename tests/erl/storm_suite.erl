%% Signals in great numbers and of great size: what both sides have in the end, and what is left of thousands of lives.
-module(storm_suite).
-export([all/0, reasons_of_16_mib/1, reasons_of_16_mib_in_the_old_forms/1, monitors_in_a_storm/1,
         lives_here_and_there_leave_nothing/1, a_killed_node_is_missed_by_each_once/1]).
-include("check.hrl").
-import(puppets, [do/2, do/3, tell/2, event/1, event/2, new/1, another/1, fence/2]).

all() ->
    [reasons_of_16_mib, reasons_of_16_mib_in_the_old_forms, monitors_in_a_storm, lives_here_and_there_leave_nothing,
     a_killed_node_is_missed_by_each_once].

cookie() -> atom_to_list(erlang:get_cookie()).

%%% Size.

%% Binaries go in pieces, and small terms around them; text is a list of its own.
large() -> {large, binary:copy(<<"0123456789abcdef">>, 1 bsl 20), lists:seq(1, 2000), <<1:3>>}.

reasons_of_16_mib(Config) ->
    {One, Two} = puppets:nodes(Config),
    [told_of_the_whole(A, B) || {A, B} <- [{One, here}, {here, One}, {One, Two}]].

%% A node that takes no payloads gets the reason inside the control message, and so do those it sends to.
reasons_of_16_mib_in_the_old_forms(Config) ->
    {One, _} = puppets:nodes(Config),
    {ready, Old, _, _, _} = check:start("puppet", "old", ["--sname", "old@localhost", "--cookie", cookie(), "--without", "EXIT_PAYLOAD"]),
    [told_of_the_whole(A, B) || {A, B} <- [{Old, here}, {here, Old}, {One, Old}, {Old, One}]],
    {ok, _} = check:ask(["signal", "old", "TERM"]),
    {ok, "0"} = check:ask(["wait", "old"]).

%% Over a link, by a monitor and by exit/2; each is compared where it arrives, and that is told.
told_of_the_whole(PlaceA, PlaceB) ->
    {A, B} = {new(PlaceA), new(PlaceB)},
    Large = large(),
    do(A, {trap_exit, true}),
    puppets:link(A, B),
    Monitor = do(A, {monitor, B}),
    fence(A, B),
    tell(B, {exit, Large}),
    Both = lists:sort([event(A, 20000), event(A, 20000)]),
    ?match([{'EXIT', B, whole}, {'DOWN', Monitor, process, B, whole}], lists:sort([whole(E, Large) || E <- Both])),
    C = new(PlaceB),
    true = do(C, {exit, A, Large}, 20000),
    ?eq({'EXIT', C, whole}, whole(event(A, 20000), Large)),
    %% Untrapped it is what its receiver ends with.
    D = new(PlaceA),
    Ref = puppets:watch(D),
    true = do(C, {exit, D, Large}, 20000),
    receive {'DOWN', Ref, process, D, Large} -> ok after 20000 -> check:fail(?LINE, "no whole reason", []) end,
    [exit(P, kill) || P <- [A, C]].

whole(Event, Large) ->
    Last = tuple_size(Event),
    case element(Last, Event) of Large -> setelement(Last, Event, whole); _ -> Event end.

%%% Storms.

pairs(One, Two) -> [{new(A), new(B)} || {A, B} <- [{One, here}, {here, One}, {One, Two}], _ <- lists:seq(1, 5)].

%% All that either has been told to do is done and has arrived, and so have the answers to that.
calm(A, B) ->
    [begin do(P, self, 20000), fence(P, Q) end || _ <- [1, 2], {P, Q} <- [{A, B}, {B, A}]],
    flush().

flush() -> receive {Tag, _} when is_reference(Tag) -> flush() after 0 -> ok end.

seen_now(A) ->
    A ! fenced,
    seen_now(A, event(A)).
seen_now(_, fenced) -> [];
seen_now(A, Event) -> [Event | seen_now(A, event(A))].

%% Both sides monitor each other and take it back, at random. In the end each monitor that stands fires, and no other.
monitors_in_a_storm(Config) ->
    {One, Two} = puppets:nodes(Config),
    rand:seed(exsss, terms:seed()),
    Pairs = pairs(One, Two),
    Watched = [{A, B, monitor_storm(A, B, 150), monitor_storm(B, A, 150)} || {A, B} <- Pairs],
    [begin
         calm(A, B),
         Ref = puppets:watch(B),
         tell(B, {exit, over}),
         over = puppets:ended(Ref),
         Told = lists:sort([begin {'DOWN', M, process, B, over} = event(A), M end || _ <- Standing]),
         ?eq(lists:sort(Standing), Told),
         ?eq([], seen_now(A))
     end || {A, B, Standing, _} <- Watched],
    Before = do(new(One), ties),
    [exit(A, kill) || {A, _, _, _} <- Watched],
    %% Those that B had of A went with B.
    ?soon(map_get(watchers, do(new(One), ties)) =< map_get(watchers, Before)),
    ?soon(map_get(monitors, do(new(One), ties)) =:= 0).

%% The monitors that stand after it.
monitor_storm(A, B, N) ->
    lists:foldl(fun(_, Standing) ->
                        case Standing =/= [] andalso rand:uniform(2) of
                            1 ->
                                Ref = lists:nth(rand:uniform(length(Standing)), Standing),
                                true = do(A, {demonitor, Ref, lists:nth(rand:uniform(3), [[], [flush], [info]])}),
                                Standing -- [Ref];
                            _ -> [do(A, {monitor, B}) | Standing]
                        end
                end, [], lists:seq(1, N)).

%%% Lives.

%% A BEAM node full of processes that come and go, all tied to ours, and ours to them, and in the middle of it the node is killed. Then all is
%% as it was before.
lives_here_and_there_leave_nothing(Config) ->
    {One, Two} = puppets:nodes(Config),
    P = do({puppet, One}, spawn),
    do(P, {trap_exit, true}),
    true = do(P, {register, lived_with, P}),
    Before = do(P, ties),
    Processes = map_get(processes, do(P, stats)),
    {ok, _} = check:ask(["beam", "doomed", "doomed@localhost", cookie()]),
    Doomed = 'doomed@localhost',
    pong = net_adm:ping(Doomed),
    {module, _} = load(Doomed, ?MODULE), {module, _} = load(Doomed, puppets), {module, _} = load(Doomed, own_puppet),
    {module, _} = load(Doomed, check),
    %% Some hundreds a second each, for as long as the node lives.
    Busy = [spawn(Doomed, fun() -> lives(P, {lived_with, One}, Kind) end) || Kind <- [theirs, theirs, ours, both]],
    ?eq(4, length(Busy)),
    {erl_calls, true} = {erl_calls, erpc:call(Doomed, erlang, is_alive, [])},
    counted(P, 20000),
    {ok, _} = check:ask(["kill", "doomed"]),
    ?soon(not lists:member(Doomed, do(P, {nodes, hidden}) ++ do(P, nodes))),
    again(fun() -> do(P, ties) end, Before),
    %% A puppet that was just born when the node died is linked to nobody.
    ?soon(map_get(processes, do(P, stats)) - Processes =< length(Busy)),
    %% And it serves on.
    ?eq(pong, do(P, {ping, Two})),
    exit(P, kill).

load(Node, Module) ->
    {Module, Binary, File} = code:get_object_code(Module),
    erpc:call(Node, code, load_binary, [Module, File, Binary]).

%% Until it is so: the last of what was under way may take a while to be read.
again(Fun, Wanted) -> again(Fun, Wanted, 500).
again(Fun, Wanted, Left) ->
    case Fun() of
        Wanted -> ok;
        Other when Left =:= 0 -> ?eq(Wanted, Other);
        _ -> timer:sleep(20), again(Fun, Wanted, Left - 1)
    end.

%% The node has received that many signals by now.
counted(P, N) ->
    Start = map_get(messages_in, do(P, stats)),
    wait_for(fun() -> map_get(messages_in, do(P, stats)) - Start > N end, 1500).

wait_for(_, 0) -> check:fail(?LINE, "too few signals", []);
wait_for(Fun, Left) -> case Fun() of true -> ok; false -> timer:sleep(20), wait_for(Fun, Left - 1) end.

%% One life after the other, some of them cut short by a link.
lives(P, Name, Kind) ->
    {Pid, Ref} = spawn_monitor(fun() -> life(P, Name, Kind) end),
    receive {'DOWN', Ref, process, Pid, _} -> ok end,
    lives(P, Name, Kind).

life(P, Name, theirs) ->
    link(P), monitor(process, P), monitor(process, Name), monitor(process, {nobody_of_that_name, node(P)}),
    Alias = monitor(process, P, [{alias, reply_demonitor}]),
    P ! {puppet, Alias, tag, self},
    case rand:uniform(3) of 1 -> unlink(P); 2 -> receive {tag, P} -> ok after 5000 -> ok end; 3 -> ok end,
    exit({some, [reason]});
life(P, _, ours) ->
    %% A puppet of theirs with all that a process can have; it is killed, or ends, or is left to its link.
    Mine = node_puppet(P),
    %% The link first: one without it would outlive us.
    tell(Mine, {link, self()}), tell(Mine, {monitor, self()}), tell(Mine, {monitor, self(), [{alias, demonitor}]}), tell(Mine, alias), tell(Mine, {monitor_node, node(), true}),
    tell(Mine, {send_after, 60000, Mine, late}), tell(Mine, {register, list_to_atom("name" ++ integer_to_list(rand:uniform(9))), Mine}),
    tell(Mine, {spawn_request, node(), timer, sleep, [60000], [link, monitor]}),
    case rand:uniform(3) of
        1 -> exit(Mine, kill);
        2 -> tell(Mine, {exit, done});
        3 -> Tag = tell(Mine, self), receive {Tag, _} -> ok after 5000 -> ok end
    end,
    exit(gone);
life(P, Name, both) -> case rand:uniform(2) of 1 -> life(P, Name, theirs); 2 -> life(P, Name, ours) end.

node_puppet(P) ->
    Tag = make_ref(),
    {puppet, node(P)} ! {puppet, self(), Tag, spawn},
    receive {Tag, Pid} -> Pid after 10000 -> exit(no_puppet) end.

%% Our node is killed with a thousand processes that are linked, monitored, called and sent to: each is missed once, and the BEAM has nothing
%% left of them. Then a new one of the same name is another.
a_killed_node_is_missed_by_each_once(_) ->
    Start = fun() -> check:start("puppet", "killed", ["--sname", "killed@localhost", "--cookie", cookie()]) end,
    {ready, Node, _, _, _} = Start(),
    process_flag(trap_exit, true),
    monitor_node(Node, true),
    Puppets = [new(Node) || _ <- lists:seq(1, 300)],
    [link(P) || P <- Puppets],
    Refs = [monitor(process, P) || P <- Puppets],
    Named = monitor(process, {sink, Node}),
    %% These wait for an answer that never comes.
    Calls = [spawn_monitor(fun() -> exit(catch gen_server:call(P, unanswered, infinity)) end) || P <- lists:sublist(Puppets, 50)],
    %% And this one is in the middle of something large.
    {source, Node} ! {self(), 200, binary:copy(<<"x">>, 1 bsl 20)},
    [do(P, self) || P <- Puppets],
    {ok, _} = check:ask(["kill", "killed"]),
    [receive {'DOWN', R, process, P, noconnection} -> ok after 10000 -> check:fail(?LINE, "no DOWN for ~p", [P]) end || {R, P} <- lists:zip(Refs, Puppets)],
    [receive {'EXIT', P, noconnection} -> ok after 10000 -> check:fail(?LINE, "no EXIT of ~p", [P]) end || P <- Puppets],
    ?got({'DOWN', Named, process, {sink, Node}, noconnection}),
    ?got({nodedown, Node}),
    [receive {'DOWN', R, process, C, {'EXIT', {{nodedown, Node}, _}}} -> ok after 10000 -> check:fail(?LINE, "a call that goes on", []) end || {C, R} <- Calls],
    ?none({'DOWN', _, _, _, _}),
    ?none({'EXIT', _, _}, 0),
    {links, Links} = process_info(self(), links),
    ?eq([], [L || L <- Links, is_pid(L), node(L) =:= Node]),
    ?eq({monitors, []}, process_info(self(), monitors)),
    {ready, Node, _, _, _} = Start(),
    %% Those of its former life are nobody.
    Again = monitor(process, hd(Puppets)),
    ?got({'DOWN', Again, process, _, noproc}),
    Young = new(Node),
    ?eq(Young, do(Young, self)),
    flush_large().

flush_large() -> receive B when is_binary(B) -> flush_large(); {source, done, _} -> flush_large() after 0 -> ok end.
