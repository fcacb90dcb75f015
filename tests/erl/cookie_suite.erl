%% Wrong cookies, both ways: refused, said in the log, and nothing is lost for those who have the right one.
-module(cookie_suite).
-export([all/0, a_peer_with_a_wrong_cookie_is_refused/1, a_peer_that_refuses_our_cookie_is_told_of/1,
         a_cookie_of_its_own_for_one_peer/1]).
-include("check.hrl").

all() ->
    [a_peer_with_a_wrong_cookie_is_refused, a_peer_that_refuses_our_cookie_is_told_of, a_cookie_of_its_own_for_one_peer].

a_peer_with_a_wrong_cookie_is_refused(Config) ->
    Node = check:node_of(Config),
    Cookie = erlang:get_cookie(),
    erlang:set_cookie(Node, 'not the cookie'),
    ?eq(pang, net_adm:ping(Node)),
    {echo, Node} ! {self(), lost},
    ?none({echo, _}),
    ?raises(exit, {{nodedown, Node}, _}, gen_server:call({echo, Node}, hello)),
    ?eq([], nodes(connected)),
    said(Config, "cookie"),
    said(Config, atom_to_list(node())),
    erlang:set_cookie(Node, Cookie),
    ?eq(pong, net_adm:ping(Node)),
    {echo, Node} ! {self(), found},
    ?got({echo, found}),
    true = erlang:disconnect_node(Node).

%% The node connects by itself to answer a process of a third node, whose cookie is another.
a_peer_that_refuses_our_cookie_is_told_of(Config) ->
    Node = check:node_of(Config),
    Third = 'third@localhost',
    {ok, _} = check:ask(["beam", "third", atom_to_list(Third), "quite-another"]),
    erlang:set_cookie(Third, 'quite-another'),
    Far = spawn(Third, timer, sleep, [60000]),
    {echo, Node} ! {Far, hello},
    said(Config, atom_to_list(Third)),
    said(Config, "cookie"),
    ?eq(false, lists:member(Node, rpc:call(Third, erlang, nodes, [connected]))),
    {echo, Node} ! {self(), still_there},
    ?got({echo, still_there}).

a_cookie_of_its_own_for_one_peer(Config) ->
    Node = check:node_of(Config),
    Fourth = 'fourth@localhost',
    {ok, _} = check:ask(["beam", "fourth", atom_to_list(Fourth), "yet-another"]),
    erlang:set_cookie(Fourth, 'yet-another'),
    ?eq(pang, rpc:call(Fourth, net_adm, ping, [Node])),
    true = rpc:call(Fourth, erlang, set_cookie, [Node, erlang:get_cookie()]),
    ?eq(pong, rpc:call(Fourth, net_adm, ping, [Node])).

%% A BEAM in its place writes nothing about it with its logger off.
said(#{own := "true"}, Text) ->
    case check:ask(["log", "node", Text]) of
        {ok, _} -> ok;
        {error, Why} -> check:fail(?LINE, "~ts", [Why])
    end;
said(_, _) -> timer:sleep(300).
