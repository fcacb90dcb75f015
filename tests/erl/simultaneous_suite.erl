%% Two nodes that dial each other at the same moment, again and again: one connection comes of it, and what was sent meanwhile
%% arrives, once and in order. The tester's name is between those of the two puppet nodes, so that each order of names is tried;
%% a third one, `hand`, carries commands to them while the tester has no connection to them.
-module(simultaneous_suite).
-export([all/0, of_the_smaller_name_and_ours/1, of_the_greater_name_and_ours/1, two_of_ours/1, all_at_once/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1]).

-define(ROUNDS, 200).
-define(EACH, 5).

all() -> [of_the_smaller_name_and_ours, of_the_greater_name_and_ours, two_of_ours, all_at_once].

node_at(Key, Config) -> list_to_atom(maps:get(Key, Config)).

of_the_smaller_name_and_ours(Config) -> with_the_tester(node_at(smaller, Config), Config, fun(Node) -> Node < node() end).
of_the_greater_name_and_ours(Config) -> with_the_tester(node_at(greater, Config), Config, fun(Node) -> Node > node() end).

with_the_tester(Node, Config, Is) ->
    ?eq(true, Is(Node)),
    Hand = puppets:new(node_at(hand, Config)),
    P = puppets:new(Node),
    [round(N, Node, P, Hand) || N <- lists:seq(1, ?ROUNDS)].

round(N, Node, P, Hand) ->
    true = by_hand(Hand, P, {disconnect, node()}),
    %% Its net_kernel too has let go of the last one: until then a BEAM node that is dialled may lose what it has queued to send (seen
    %% over TLS, in one round of some hundreds on a busy machine).
    ?soon(not lists:member(Node, nodes(connected)) andalso ets:lookup(sys_dist, Node) =:= []),
    Me = self(),
    Wait = rand:uniform(1500),
    Tester = spawn_link(fun() ->
                                receive go -> ok end,
                                busy(erlang:monotonic_time(microsecond) + Wait),
                                [{echo, Node} ! {self(), {N, I}} || I <- lists:seq(1, ?EACH)],
                                Me ! {self(), [receive {echo, {N, I}} -> I after 5000 -> none end || I <- lists:seq(1, ?EACH)]}
                        end),
    Tags = [begin
                Tag = make_ref(),
                tell(Hand, {send, P, {puppet, do_self(Hand), Tag, {send, Me, {from_ours, N, I}}}}),
                Tag
            end || I <- lists:seq(1, ?EACH)],
    Tester ! go,
    %% In order: the next in line must be the next sent.
    [receive {from_ours, N, Got} -> ?eq({N, I}, {N, Got})
     after 5000 -> check:fail(?LINE, "round ~w: message ~w of ours is lost; there: ~0tp", [N, I, check:waiting()])
     end || I <- lists:seq(1, ?EACH)],
    receive {Tester, Echoed} -> ?eq({N, lists:seq(1, ?EACH)}, {N, Echoed}) end,
    [?eq({Tag, ok}, event(Hand)) || Tag <- Tags],
    flush_oks(),
    ?eq(true, lists:member(Node, nodes(connected))),
    ?eq(2, maps:get(connections, do(P, stats))).

%% The puppet's own pid for answers: asked once.
do_self(Hand) ->
    case get({self, Hand}) of
        undefined -> Pid = do(Hand, self), put({self, Hand}, Pid), Pid;
        Pid -> Pid
    end.

flush_oks() -> receive {Ref, ok} when is_reference(Ref) -> flush_oks() after 0 -> ok end.

busy(Until) -> case erlang:monotonic_time(microsecond) < Until of true -> busy(Until); false -> ok end.

by_hand(Hand, P, Command) ->
    Tag = make_ref(),
    ok = do(Hand, {send, P, {puppet, do_self(Hand), Tag, Command}}),
    receive {event, Hand, {Tag, Result}} -> Result
    after 5000 -> check:fail(?LINE, "no answer by hand", [])
    end.

%% Both told in one breath; the tester keeps its connections to both.
two_of_ours(Config) ->
    {A, Z} = {puppets:new(node_at(smaller, Config)), puppets:new(node_at(greater, Config))},
    [begin
         _ = do(A, {disconnect, node(Z)}),
         ?soon(not lists:member(node(A), do(Z, {nodes, hidden}))),
         Pairs = case N rem 2 of 0 -> [{A, Z}, {Z, A}]; 1 -> [{Z, A}, {A, Z}] end,
         [tell(From, {send, To, {N, I}}) || I <- lists:seq(1, ?EACH), {From, To} <- Pairs],
         [?eq({N, I}, event(To)) || To <- [A, Z], I <- lists:seq(1, ?EACH)],
         flush_oks(),
         %% The hand, the tester, each other.
         [?match(C when C =< 3, maps:get(connections, do(P, stats))) || P <- [A, Z]]
     end || N <- lists:seq(1, ?ROUNDS)].

%% Everybody dials everybody.
all_at_once(Config) ->
    Ps = [puppets:new(node_at(Key, Config)) || Key <- [smaller, greater, hand]],
    [begin
         [do(P, {disconnect, node(Q)}) || P <- Ps, Q <- Ps, P =/= Q],
         [tell(P, {send, Q, {N, node(P)}}) || P <- Ps, Q <- Ps, P =/= Q],
         [?eq(lists:sort([{N, node(Q)} || Q <- Ps, Q =/= P]), lists:sort([event(P), event(P)])) || P <- Ps],
         flush_oks()
     end || N <- lists:seq(1, 100)].
