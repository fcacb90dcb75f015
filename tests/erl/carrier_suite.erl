%% What a carrier has to do beyond the other suites: a very large message, and a peer that is killed.
-module(carrier_suite).
-export([all/0, a_message_of_64_mib_comes_back/1, small_ones_keep_their_place_behind_it/1, a_killed_node_is_missed_at_once/1]).
-include("check.hrl").

all() -> [a_message_of_64_mib_comes_back, small_ones_keep_their_place_behind_it, a_killed_node_is_missed_at_once].

a_message_of_64_mib_comes_back(Config) ->
    Large = large(64),
    {echo, check:node_of(Config)} ! {self(), Large},
    receive {echo, Back} -> ?eq(erlang:md5(Large), erlang:md5(Back))
    after 38000 -> check:fail(?LINE, "no echo", [])
    end.

%% Together they are less than the 64 MiB that may wait for one peer.
small_ones_keep_their_place_behind_it(Config) ->
    Node = check:node_of(Config),
    {echo, Node} ! {self(), {large, large(48)}},
    [{echo, Node} ! {self(), {small, N}} || N <- lists:seq(1, 100)],
    receive {echo, {large, Back}} -> ?eq(48 bsl 20, byte_size(Back))
    after 38000 -> check:fail(?LINE, "no echo", [])
    end,
    %% In order: the sender and the receiver are the same.
    [?got({echo, {small, N}}) || N <- lists:seq(1, 100)].

%% Not all alike, so that a lost or moved part shows.
large(MiB) ->
    Block = << <<(erlang:phash2(N)):32>> || N <- lists:seq(1, 16384) >>,
    << <<N:16, Block:65534/binary>> || N <- lists:seq(1, MiB * 16) >>.

a_killed_node_is_missed_at_once(Config) ->
    Node = check:node_of(Config),
    true = erlang:monitor_node(Node, true),
    Ref = monitor(process, {echo, Node}),
    {echo, Node} ! {self(), there},
    ?got({echo, there}),
    {ok, _} = check:ask(["kill", "node"]),
    ?got({'DOWN', Ref, process, {echo, Node}, noconnection}),
    ?got({nodedown, Node}),
    ?eq(pang, net_adm:ping(Node)).
