%% We are dialled, and we dial: over whatever carries the two nodes, and whatever tells where they are.
-module(both_ways_suite).
-export([all/0, we_are_dialled/1, we_dial/1, large_ones_pass/1]).
-include("check.hrl").

all() -> [we_are_dialled, we_dial, large_ones_pass].

we_are_dialled(Config) -> static_suite:we_are_dialled(Config).

we_dial(Config) -> static_suite:we_dial(Config).

large_ones_pass(Config) ->
    Large = binary:copy(<<"0123456789abcdef">>, 1 bsl 18),
    {echo, check:node_of(Config)} ! {self(), Large},
    receive {echo, Back} -> ?eq(erlang:md5(Large), erlang:md5(Back))
    after 20000 -> check:fail(?LINE, "no echo", [])
    end.
