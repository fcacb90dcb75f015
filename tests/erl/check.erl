%% Runs one suite: each case in a process of its own with a deadline, one line of result each.
%% A suite is a module with all/0 (the names of its cases, in order) and one function of one argument, the settings, a case.
-module(check).
-export([main/0, idle/0, eq/4, fail/3, waiting/0, soon/3, skip/2, ask/1, start/3, node_of/1]).

%% A case that waits longer than this hangs.
-define(CASE_MS, 40000).

main() ->
    [Suite, "cases=" ++ Wanted | Settings] = init:get_plain_arguments(),
    Module = list_to_atom(Suite),
    %% Much crashes here on purpose; what matters is in the cases' own lines.
    logger:set_primary_config(level, none),
    register(asker, spawn(fun() -> asker(1, #{}) end)),
    spawn(fun() -> answers() end),
    Config = maps:from_list([setting(S) || S <- Settings]),
    Cases = case Wanted of
                "" -> Module:all();
                _ -> [C || C <- Module:all(), lists:member(atom_to_list(C), string:split(Wanted, ",", all))]
            end,
    [run(Module, Case, Config) || Case <- Cases],
    say("done ~w", [length(Cases)]),
    halt(0).

%% A node that only is there, until the harness closes its input.
idle() ->
    io:put_chars("@idle\n"),
    until_closed(),
    halt(0).

until_closed() ->
    case io:get_line("") of
        Line when is_list(Line) -> until_closed();
        _ -> ok
    end.

setting(Text) ->
    [Key, Value] = string:split(Text, "="),
    {list_to_atom(Key), Value}.

run(Module, Case, Config) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit(outcome(Module, Case, Config)) end),
    receive
        {'DOWN', Ref, process, Pid, {outcome, Line}} -> say("~ts", [Line]);
        {'DOWN', Ref, process, Pid, Reason} -> say("FAILED ~s ended with ~0tp", [Case, Reason])
    after ?CASE_MS ->
            Where = process_info(Pid, [current_stacktrace, messages]),
            exit(Pid, kill),
            say("FAILED ~s hangs: ~0tp", [Case, Where])
    end.

outcome(Module, Case, Config) ->
    Line = try Module:Case(Config) of
               _ -> io_lib:format("ok ~s", [Case])
           catch
               throw:{check_failed, At, Text} -> io_lib:format("FAILED ~s (line ~w): ~ts", [Case, At, Text]);
               throw:{check_skipped, Text} -> io_lib:format("skipped ~s: ~ts", [Case, Text]);
               Class:Reason:Stack ->
                   io_lib:format("FAILED ~s: ~0tp", [Case, {Class, Reason, lists:sublist(Stack, 4)}])
           end,
    {outcome, Line}.

%% One line each, whatever is in it; long values are cut, as a case may compare megabytes.
say(Format, Args) ->
    Text = unicode:characters_to_list(io_lib:format(Format, Args)),
    Flat = [case C of $\n -> $\s; _ -> C end || C <- lists:sublist(Text, 4000)],
    io:put_chars(["@", Flat, "\n"]).

eq(_, _, Expected, Got) when Expected =:= Got -> ok;
eq(Line, Text, Expected, Got) ->
    fail(Line, "~ts should be ~ts, is ~ts", [Text, short(Expected), short(Got)]).

short(Term) -> string:slice(io_lib:format("~0tp", [Term]), 0, 700).

-spec fail(integer(), string(), list()) -> no_return().
fail(Line, Format, Args) ->
    throw({check_failed, Line, unicode:characters_to_list(io_lib:format(Format, Args))}).

waiting() ->
    {messages, Messages} = process_info(self(), messages),
    lists:sublist(Messages, 10).

soon(Line, Text, Fun) -> soon(Line, Text, Fun, erlang:monotonic_time(millisecond) + 6000).

soon(Line, Text, Fun, Until) ->
    case {Fun(), erlang:monotonic_time(millisecond) > Until} of
        {true, _} -> ok;
        {Other, true} -> fail(Line, "~ts should come true, is ~0tp", [Text, Other]);
        _ -> timer:sleep(20), soon(Line, Text, Fun, Until)
    end.

%% Ends the case without a verdict, for a reason that is said.
-spec skip(string(), list()) -> no_return().
skip(Format, Args) -> throw({check_skipped, io_lib:format(Format, Args)}).

%% The process that asks the harness, a question at a time, from whichever case.
ask(Words) ->
    asker ! {ask, self(), lists:join("\t", Words)},
    receive
        {answer, "ok" ++ Rest} -> {ok, string:trim(Rest)};
        {answer, "error " ++ Rest} -> {error, Rest}
    after 60000 -> error({no_answer, Words})
    end.

asker(N, Open) ->
    receive
        {ask, From, Text} ->
            io:put_chars(["@ask ", integer_to_list(N), " ", Text, "\n"]),
            asker(N + 1, Open#{N => From});
        {line, Line} ->
            [Number, Answer] = string:split(Line, " "),
            {From, Rest} = maps:take(list_to_integer(Number), Open),
            From ! {answer, Answer},
            asker(N, Rest)
    end.

%% The harness's answers come on standard input; when it is closed nobody waits for us any more.
answers() ->
    case io:get_line("") of
        Line when is_list(Line) -> asker ! {line, string:trim(Line, trailing, "\n")}, answers();
        _ -> halt(2)
    end.

%% Starts a node under test: {ready, Name, Port, Epmd, OsPid} or {ended, Code, Text}.
start(Program, Id, Args) ->
    case ask(["start", Program, Id | Args]) of
        {ok, "ready " ++ Rest} ->
            [Name, Port, Epmd, OsPid] = string:split(Rest, " ", all),
            {ready, list_to_atom(Name), list_to_integer(Port), Epmd, OsPid};
        {ok, "ended " ++ Rest} ->
            [Code | Text] = string:split(Rest, " "),
            {ended, list_to_integer(Code), lists:append(Text)};
        {error, Why} -> error({start, Why})
    end.

%% The node under test.
node_of(#{node := Name}) -> list_to_atom(Name).
