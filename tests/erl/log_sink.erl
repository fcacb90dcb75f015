%% A logger handler that sends every event to a process, as {logged, Event}.
-module(log_sink).
-export([start/1, log/2]).

start(To) ->
    ok = logger:set_primary_config(level, debug),
    logger:add_handler(?MODULE, ?MODULE, #{config => To, level => debug}).

log(Event, #{config := To}) -> To ! {logged, Event}.
