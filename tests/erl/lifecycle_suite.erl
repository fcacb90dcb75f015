%% Starting, stopping and dying, as peers and epmd see it.
-module(lifecycle_suite).
-export([all/0, sigterm_unregisters_and_ends_with_0/1, sigint_does_the_same/1, a_killed_node_is_missed/1,
         a_taken_name_is_refused/1, a_restarted_node_is_another/1, epmd_comes_back_and_the_node_registers_again/1,
         stopping_answers_those_who_wait/1, a_visible_node_is_in_nodes/1, the_listener_opens_when_the_names_are_there/1]).
-include("check.hrl").

all() ->
    [sigterm_unregisters_and_ends_with_0, sigint_does_the_same, a_killed_node_is_missed, a_taken_name_is_refused,
     a_restarted_node_is_another, epmd_comes_back_and_the_node_registers_again, stopping_answers_those_who_wait,
     a_visible_node_is_in_nodes, the_listener_opens_when_the_names_are_there].

start(Id, Extra) ->
    Name = Id ++ "@localhost",
    {ready, Node, _, Epmd, _} =
        check:start("sidecar", Id, ["--sname", Name, "--cookie", atom_to_list(erlang:get_cookie()) | Extra]),
    ?eq(case sockets() of none -> "external"; _ -> "none" end, Epmd),
    ?eq(Name, atom_to_list(Node)),
    Node.

alive(Node) ->
    {echo, Node} ! {self(), there},
    ?got({echo, there}).

%% Known to epmd; or over Unix sockets, which have none, answering on its own.
registered(Id) ->
    case sockets() of
        none ->
            {ok, Names} = net_adm:names(localhost),
            lists:keymember(Id, 1, Names);
        Directory ->
            case gen_tcp:connect({local, filename:join(Directory, Id ++ "@localhost")}, 0, [{active, false}]) of
                {ok, Socket} -> ok = gen_tcp:close(Socket), true;
                {error, Gone} when Gone =:= enoent; Gone =:= econnrefused -> false
            end
    end.

%% The directory of Unix sockets, where the nodes talk over them.
sockets() ->
    case init:get_argument(local_dist_dir) of
        {ok, [[Directory]]} -> Directory;
        error -> none
    end.

sigterm_unregisters_and_ends_with_0(_) -> stopped_by("TERM").
sigint_does_the_same(_) -> stopped_by("INT").

stopped_by(Signal) ->
    Id = "stopped" ++ Signal,
    Node = start(Id, []),
    alive(Node),
    true = erlang:monitor_node(Node, true),
    Ref = monitor(process, {echo, Node}),
    ?eq(true, registered(Id)),
    {ok, _} = check:ask(["signal", Id, Signal]),
    %% What a BEAM that stops leaves: its processes ended first, or the connection did.
    ?got({'DOWN', Ref, process, {echo, Node}, _}),
    ?got({nodedown, Node}),
    ?eq({ok, "0"}, check:ask(["wait", Id])),
    ?eq(false, registered(Id)),
    ?eq(pang, net_adm:ping(Node)).

a_killed_node_is_missed(_) ->
    Node = start("killed", []),
    alive(Node),
    true = erlang:monitor_node(Node, true),
    Ref = monitor(process, {echo, Node}),
    {ok, _} = check:ask(["kill", "killed"]),
    ?got({'DOWN', Ref, process, {echo, Node}, noconnection}),
    ?got({nodedown, Node}),
    ?soon(not registered("killed")),
    ?raises(exit, {{nodedown, Node}, _}, gen_server:call({counter, Node}, get)).

a_taken_name_is_refused(_) ->
    Node = start("taken", []),
    {ended, 1, Text} = check:start("sidecar", "second", ["--sname", "taken@localhost", "--cookie", "x"]),
    ?match({match, _}, re:run(Text, "taken")),
    alive(Node),
    %% And a name that an Erlang node holds.
    [Mine, _] = string:split(atom_to_list(node()), "@"),
    {ended, 1, More} = check:start("sidecar", "third", ["--sname", Mine ++ "@localhost", "--cookie", "x"]),
    ?match({match, _}, re:run(More, Mine)).

%% The new one serves at once, and what belonged to the old reaches nobody.
a_restarted_node_is_another(_) ->
    First = start("again", []),
    alive(First),
    [begin
         {ok, _} = check:ask(["kill", "again"]),
         ?soon(not lists:member(First, nodes(connected))),
         ?soon(not registered("again")),
         First = start("again", []),
         alive(First),
         ?eq(0, gen_server:call({counter, First}, get)),
         ?eq(N, gen_server:call({counter, First}, {add, N}))
     end || N <- [1, 2, 3]].

epmd_comes_back_and_the_node_registers_again(_) ->
    Node = start("steady", []),
    alive(Node),
    true = erlang:monitor_node(Node, true),
    {ok, _} = check:ask(["epmd", "stop"]),
    timer:sleep(300),
    alive(Node),
    {ok, _} = check:ask(["epmd", "start"]),
    ?soon(registered("steady")),
    ?none({nodedown, Node}),
    true = erlang:monitor_node(Node, false),
    %% It is found by name again, on the port it always had.
    true = erlang:disconnect_node(Node),
    alive(Node),
    %% Twice is not luck.
    {ok, _} = check:ask(["epmd", "stop"]),
    {ok, _} = check:ask(["epmd", "start"]),
    ?soon(registered("steady")),
    %% The rest of this suite needs the tester registered too.
    [Mine, _] = string:split(atom_to_list(node()), "@"),
    ?soon(registered(Mine)).

stopping_answers_those_who_wait(_) ->
    Node = start("waited", []),
    alive(Node),
    Self = self(),
    spawn_link(fun() ->
                       Self ! {ended, try gen_server:call({counter, Node}, {sleep, 30000}, infinity) catch exit:{R, _} -> R end}
               end),
    timer:sleep(200),
    {ok, _} = check:ask(["signal", "waited", "TERM"]),
    receive
        {ended, Reason} ->
            %% Whichever comes first: the server's own end, or the connection's.
            ?eq(true, lists:member(Reason, [{nodedown, Node}, noconnection, shutdown, killed, noproc, normal]))
    after 5000 -> check:fail(?LINE, "the caller still waits", [])
    end,
    ?eq({ok, "0"}, check:ask(["wait", "waited"])).

a_visible_node_is_in_nodes(_) ->
    Node = start("seen", ["--visible"]),
    alive(Node),
    ?eq(true, lists:member(Node, nodes())),
    ?eq(false, lists:member(Node, nodes(hidden))),
    %% A published node is greeted by rex and global; it lives on.
    timer:sleep(1000),
    alive(Node),
    ?eq(pong, net_adm:ping(Node)),
    {ok, _} = check:ask(["signal", "seen", "TERM"]).

%% Calls from the first moment on: none may find a name missing. A BEAM opens its listener first.
the_listener_opens_when_the_names_are_there(#{own := "false"}) -> check:skip("another program may register later", []);
the_listener_opens_when_the_names_are_there(_) ->
    Self = self(),
    Node = 'early@localhost',
    Caller = spawn_link(fun() -> Self ! {self(), first_answer(Node, 3000)} end),
    Node = start("early", []),
    ?got({Caller, 0}).

first_answer(Node, 0) -> {never, Node};
first_answer(Node, Tries) ->
    try gen_server:call({counter, Node}, get)
    catch
        exit:{{nodedown, Node}, _} -> timer:sleep(2), first_answer(Node, Tries - 1);
        exit:Other -> Other
    end.
