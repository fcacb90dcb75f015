%% pg across BEAM and puppet nodes. Issue 6. Wants one hidden and one visible puppet node (node and node2).
-module(puppet_groups_suite).
-export([all/0, a_member_is_seen_on_every_node/1, a_member_goes_with_its_process/1, leaving_is_seen/1, joining_twice/1,
         beam_members_are_seen/1, members_go_with_their_node/1, a_scope_of_its_own/1, who_joined_before_is_seen/1, pg_of_several_beams/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, new/1, watch/1, ended/1]).

all() ->
    [a_member_is_seen_on_every_node, a_member_goes_with_its_process, leaving_is_seen, joining_twice, beam_members_are_seen,
     members_go_with_their_node, a_scope_of_its_own, who_joined_before_is_seen,
     pg_of_several_beams].

%% OTP's pg looks for visible nodes only; ours tells those it is connected to, so that a hidden node's members are seen as well.
places(#{own := "true"} = Config) -> {One, Two} = puppets:nodes(Config), [One, Two];
places(Config) -> {_, Two} = puppets:nodes(Config), [Two].

%% The default scope here, outliving the cases.
pg(Scope) ->
    case whereis(Scope) of
        undefined -> {ok, Pid} = pg:start(Scope), Pid;
        Pid -> Pid
    end.

%% A hidden node is connected by being spoken to; pg looks for others as connections come.
connected(Config) ->
    [pong = net_adm:ping(N) || N <- places(Config)],
    %% Nobody else introduces a hidden node to the others.
    case places(Config) of
        [One, Two] -> true = do({puppet, One}, {connect, Two});
        [_] -> true
    end.

a_member_is_seen_on_every_node(Config) ->
    pg(pg),
    connected(Config),
    [begin
         P = new(N),
         ?eq(ok, do(P, {pg_join, pg, {group, N}})),
         ?eq([P], do(P, {pg_members, pg, {group, N}})),
         ?soon(pg:get_members(pg, {group, N}) =:= [P]),
         ?eq([], pg:get_local_members(pg, {group, N})),
         ?soon(lists:member({group, N}, pg:which_groups(pg)))
     end || N <- places(Config)].

a_member_goes_with_its_process(Config) ->
    pg(pg),
    connected(Config),
    [begin
         P = new(N),
         ok = do(P, {pg_join, pg, brief}),
         ?soon(pg:get_members(pg, brief) =:= [P]),
         Ref = watch(P),
         tell(P, {exit, over}),
         over = ended(Ref),
         ?soon(pg:get_members(pg, brief) =:= [])
     end || N <- places(Config)].

leaving_is_seen(Config) ->
    pg(pg),
    connected(Config),
    [begin
         P = new(N),
         ?eq(not_joined, do(P, {pg_leave, pg, left})),
         ok = do(P, {pg_join, pg, left}),
         ?soon(pg:get_members(pg, left) =:= [P]),
         ?eq(ok, do(P, {pg_leave, pg, left})),
         ?soon(pg:get_members(pg, left) =:= []),
         ?eq(not_joined, do(P, {pg_leave, pg, left}))
     end || N <- places(Config)].

joining_twice(Config) ->
    pg(pg),
    connected(Config),
    [begin
         P = new(N),
         ok = do(P, {pg_join, pg, twice}),
         ok = do(P, {pg_join, pg, twice}),
         ?soon(pg:get_members(pg, twice) =:= [P, P]),
         ok = do(P, {pg_leave, pg, twice}),
         ?soon(pg:get_members(pg, twice) =:= [P]),
         ok = do(P, {pg_leave, pg, twice}),
         ?soon(pg:get_members(pg, twice) =:= [])
     end || N <- places(Config)].

beam_members_are_seen(Config) ->
    pg(pg),
    connected(Config),
    Mine = spawn_link(fun() -> receive stop -> ok end end),
    ok = pg:join(pg, of_the_beam, Mine),
    Puppets = [new(N) || N <- places(Config)],
    [?soon(do(P, {pg_members, pg, of_the_beam}) =:= [Mine]) || P <- Puppets],
    ok = pg:join(pg, of_the_beam, [Mine, Mine]),
    [?soon(do(P, {pg_members, pg, of_the_beam}) =:= [Mine, Mine, Mine]) || P <- Puppets],
    ok = pg:leave(pg, of_the_beam, Mine),
    [?soon(do(P, {pg_members, pg, of_the_beam}) =:= [Mine, Mine]) || P <- Puppets],
    Mine ! stop,
    [?soon(do(P, {pg_members, pg, of_the_beam}) =:= []) || P <- Puppets],
    %% Members of both, seen alike.
    [ok = do(P, {pg_join, pg, of_both}) || P <- Puppets],
    Own = spawn_link(fun() -> receive stop -> ok end end),
    ok = pg:join(pg, of_both, Own),
    [?soon(lists:sort(do(P, {pg_members, pg, of_both})) =:= lists:sort([Own | Puppets])) || P <- Puppets],
    ?soon(lists:sort(pg:get_members(pg, of_both)) =:= lists:sort([Own | Puppets])),
    Own ! stop.

members_go_with_their_node(Config) ->
    pg(pg),
    {ready, Doomed, _, _, _} = check:start("puppet", "doomed", ["--sname", "doomed@localhost", "--visible", "--cookie", atom_to_list(erlang:get_cookie())]),
    P = new(Doomed),
    ok = do(P, {pg_join, pg, doomed}),
    ?soon(pg:get_members(pg, doomed) =:= [P]),
    connected(Config),
    {ok, _} = check:ask(["kill", "doomed"]),
    ?soon(pg:get_members(pg, doomed) =:= []).

a_scope_of_its_own(Config) ->
    connected(Config),
    pg(some_scope),
    [begin
         P = new(N),
         ok = do(P, {pg_join, some_scope, g}),
         ?soon(pg:get_members(some_scope, g) =:= [P]),
         ?eq([], do(P, {pg_members, another_scope, g})),
         tell(P, {exit, over}),
         ?soon(pg:get_members(some_scope, g) =:= [])
     end || N <- places(Config)].

%% A scope that starts late learns what the others have.
who_joined_before_is_seen(Config) ->
    connected(Config),
    pg(late_scope),
    Mine = spawn_link(fun() -> receive stop -> ok end end),
    ok = pg:join(late_scope, g, Mine),
    Puppets = [new(N) || N <- places(Config)],
    [?soon(do(P, {pg_members, late_scope, g}) =:= [Mine]) || P <- Puppets],
    [ok = do(P, {pg_join, late_scope, g}) || P <- Puppets],
    [?soon(lists:sort(do(P, {pg_members, late_scope, g})) =:= lists:sort([Mine | Puppets])) || P <- Puppets],
    Mine ! stop.

pg_of_several_beams(Config) ->
    pg(pg),
    connected(Config),
    Cookie = atom_to_list(erlang:get_cookie()),
    {ok, _} = check:ask(["beam", "other", "other@localhost", Cookie]),
    Other = 'other@localhost',
    {ok, Scope} = rpc:call(Other, pg, start, [pg]),
    pong = net_adm:ping(Other),
    Puppets = [new(N) || N <- places(Config)],
    [pong = rpc:call(Other, net_adm, ping, [N]) || N <- places(Config)],
    [ok = do(P, {pg_join, pg, wide}) || P <- Puppets],
    Far = spawn(Other, timer, sleep, [60000]),
    ok = rpc:call(Other, pg, join, [pg, wide, Far]),
    All = lists:sort([Far | Puppets]),
    ?soon(lists:sort(rpc:call(Other, pg, get_members, [pg, wide])) =:= All),
    ?soon(lists:sort(pg:get_members(pg, wide)) =:= All),
    [?soon(lists:member(Far, do(P, {pg_members, pg, wide}))) || P <- Puppets],
    %% The scope over there goes, and with it what it told.
    exit(Scope, kill),
    [?soon(not lists:member(Far, do(P, {pg_members, pg, wide}))) || P <- Puppets].
