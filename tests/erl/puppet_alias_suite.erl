%% Aliases: made, sent to from anywhere, closed; what is sent to a closed one vanishes.
-module(puppet_alias_suite).
-export([all/0, an_alias_receives/1, a_closed_alias_receives_nothing/1, a_reply_alias_receives_once/1, unalias_tells_whether_it_was_open/1,
         an_alias_dies_with_its_process/1, many_aliases/1, large_messages_to_an_alias/1, an_alias_reaches_through_a_third_node/1,
         the_tester_sends_to_an_alias/1, calls_use_aliases/1, a_late_reply_is_dropped/1, order_holds_between_alias_and_pid/1]).
-include("check.hrl").
-import(puppets, [do/2, tell/2, event/1, events/2, seen/2, watch/1, ended/1, new/1, another/1, fence/2, same_everywhere/2]).

all() ->
    [an_alias_receives, a_closed_alias_receives_nothing, a_reply_alias_receives_once, unalias_tells_whether_it_was_open,
     an_alias_dies_with_its_process, many_aliases, large_messages_to_an_alias, an_alias_reaches_through_a_third_node,
     the_tester_sends_to_an_alias, calls_use_aliases, a_late_reply_is_dropped, order_holds_between_alias_and_pid].

an_alias_receives(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Alias = do(A, alias),
                            true = is_reference(Alias),
                            [ok = do(B, {send, Alias, M}) || M <- [one, {two, Alias}, "three"]],
                            Seen = seen(A, B),
                            Explicit = do(A, {alias, [explicit_unalias]}),
                            ok = do(B, {send, Explicit, four}),
                            Fourth = seen(A, B),
                            ok = do(A, {send, Alias, from_itself}),
                            {Seen, Fourth, seen(A, A)}
                    end).

a_closed_alias_receives_nothing(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Alias = do(A, alias),
                            true = do(A, {unalias, Alias}),
                            ok = do(B, {send, Alias, lost}),
                            ok = do(A, {send, Alias, lost}),
                            {seen(A, B), seen(A, A)}
                    end).

a_reply_alias_receives_once(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Alias = do(A, {alias, [reply]}),
                            [ok = do(B, {send, Alias, N}) || N <- [1, 2, 3]],
                            Seen = seen(A, B),
                            {Seen, do(A, {unalias, Alias})}
                    end).

unalias_tells_whether_it_was_open(Config) ->
    same_everywhere(Config,
                    fun(A, _) ->
                            Alias = do(A, alias),
                            Others = [do(A, {unalias, R}) || R <- [make_ref(), do(A, {monitor, A})]],
                            {do(A, {unalias, Alias}), do(A, {unalias, Alias}), Others}
                    end).

an_alias_dies_with_its_process(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Alias = do(A, alias),
                            Ref = watch(A),
                            tell(A, {exit, over}),
                            over = ended(Ref),
                            [ok = do(B, {send, Alias, lost}) || _ <- lists:seq(1, 10)],
                            seen(B, B)
                    end).

many_aliases(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Aliases = [do(A, alias) || _ <- lists:seq(1, 300)],
                            Numbered = lists:zip(lists:seq(1, 300), Aliases),
                            [true = do(A, {unalias, R}) || {N, R} <- Numbered, N rem 3 =:= 0],
                            [ok = do(B, {send, R, N}) || {N, R} <- Numbered],
                            seen(A, B)
                    end).

large_messages_to_an_alias(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Alias = do(A, alias),
                            Body = binary:copy(<<"abcdefgh">>, 100000),
                            ok = do(B, {send, Alias, {1, Body}}),
                            ok = do(B, {send, Alias, {2, small}}),
                            [{1, Got}, {2, small}] = seen(A, B),
                            true = do(A, {unalias, Alias}),
                            ok = do(B, {send, Alias, {3, Body}}),
                            {Got =:= Body, seen(A, B)}
                    end).

%% The reference travels through another process before it is used.
an_alias_reaches_through_a_third_node(Config) ->
    {One, Two} = puppets:nodes(Config),
    A = new(One),
    B = new(Two),
    Alias = do(A, alias),
    ok = do(A, {send, B, {use_this, Alias}}),
    {use_this, Alias} = event(B),
    ok = do(B, {send, Alias, {used, Alias}}),
    ?eq({used, Alias}, event(A)),
    self() ! Alias,
    ?got(Alias).

the_tester_sends_to_an_alias(Config) ->
    A = new(check:node_of(Config)),
    Alias = do(A, alias),
    [Alias ! N || N <- lists:seq(1, 100)],
    ?eq(lists:seq(1, 100), events(A, 100)),
    %% Monitored through: an alias is no address of a monitor; the process is there all the same.
    true = do(A, {unalias, Alias}),
    Alias ! lost,
    A ! found,
    ?eq(found, event(A)),
    Mine = alias([reply]),
    ok = do(A, {send, Mine, hello}),
    ok = do(A, {send, Mine, again}),
    ok = do(A, {send, self(), fence}),
    ?got(fence),
    ?eq([hello], check:waiting()).

%% gen:call from the tester: the puppet node answers net_kernel's ping with the tag it was given.
calls_use_aliases(Config) ->
    Node = check:node_of(Config),
    ?eq(yes, gen_server:call({net_kernel, Node}, {is_auth, node()})),
    Alias = alias([reply]),
    {net_kernel, Node} ! {'$gen_call', {self(), [alias | Alias]}, {is_auth, node()}},
    ?got({[alias | Alias], yes}).

a_late_reply_is_dropped(Config) ->
    Self = self(),
    Server = spawn_link(fun() ->
                                receive
                                    {'$gen_call', From, ask} ->
                                        timer:sleep(300),
                                        gen_server:reply(From, late),
                                        Self ! replied,
                                        receive stop -> ok end
                                end
                        end),
    A = new(check:node_of(Config)),
    ?eq({error, timeout}, do(A, {call, Server, ask, 50})),
    ?got(replied),
    ok = do(A, {send, self(), fence}),
    ?got(fence),
    puppets:no_event(A),
    Server ! stop.

order_holds_between_alias_and_pid(Config) ->
    same_everywhere(Config,
                    fun(A, B) ->
                            Alias = do(A, alias),
                            [tell(B, {send, case N rem 3 of 0 -> Alias; _ -> A end, {N, binary:copy(<<N>>, N rem 5 * 30000)}})
                             || N <- lists:seq(1, 60)],
                            do(B, self),
                            [N || {N, _} <- seen(A, B)]
                    end).
