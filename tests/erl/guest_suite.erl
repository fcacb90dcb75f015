%% The tester has no name of its own (`erl -sname undefined`): the node that it calls first, ours, gives it one.
-module(guest_suite).
-export([all/0, it_has_no_name_yet/1, the_first_node_called_gives_one/1, it_is_a_node_like_any_other/1,
         the_name_goes_with_the_last_connection/1, names_differ/1]).
-include("check.hrl").

all() ->
    [it_has_no_name_yet, the_first_node_called_gives_one, it_is_a_node_like_any_other, the_name_goes_with_the_last_connection,
     names_differ].

host() -> {ok, Host} = inet:gethostname(), Host.

ours(Config) -> list_to_atom(maps:get(node, Config)).

it_has_no_name_yet(_) ->
    ?eq(nonode@nohost, node()),
    ?eq(#{name_type => dynamic}, maps:with([name_type], net_kernel:get_state())).

the_first_node_called_gives_one(Config) ->
    ?eq(true, net_kernel:connect_node(ours(Config))),
    [Alive, Host] = string:split(atom_to_list(node()), "@"),
    ?eq(host(), Host),
    ?match([_ | _], Alive),
    ?eq([ours(Config)], nodes(hidden)),
    ?eq(#{name_type => dynamic}, maps:with([name_type], net_kernel:get_state())).

it_is_a_node_like_any_other(Config) ->
    Node = ours(Config),
    {echo, Node} ! {self(), {there, self()}},
    ?got({echo, {there, _}}),
    ?eq(pong, net_adm:ping(Node)),
    P = puppets:new(Node),
    ?eq(true, lists:member(node(), puppets:do(P, {nodes, hidden}))),
    Ref = monitor(process, P),
    exit(P, kill),
    ?got({'DOWN', Ref, process, P, killed}).

the_name_goes_with_the_last_connection(Config) ->
    Node = ours(Config),
    Before = node(),
    true = erlang:disconnect_node(Node),
    ?soon(node() =:= nonode@nohost),
    ?eq(true, net_kernel:connect_node(Node)),
    ?eq(false, lists:member(node(), [Before, nonode@nohost])),
    {echo, Node} ! {self(), again},
    ?got({echo, again}).

names_differ(Config) ->
    Node = ours(Config),
    Names = [begin
                 true = erlang:disconnect_node(Node),
                 ?soon(node() =:= nonode@nohost),
                 true = net_kernel:connect_node(Node),
                 node()
             end || _ <- lists:seq(1, 50)],
    ?eq(50, length(lists:usort(Names))).
