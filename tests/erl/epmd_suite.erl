%% The epmd that the node itself serves, used by real Erlang nodes. The tester is not distributed until it is there.
-module(epmd_suite).
-export([all/0, a_node_serves_epmd_where_none_answers/1, erlang_nodes_register_and_find_each_other/1,
         the_epmd_program_lists_them/1, a_name_is_unregistered_when_its_node_ends/1, a_name_in_use_is_refused/1,
         each_registration_has_a_new_creation/1, a_lookup_tells_port_kind_and_versions/1, a_second_node_uses_it/1,
         kill_and_stop_are_refused/1, nonsense_closes_only_its_own_connection/1, control_characters_are_refused/1,
         many_registrations_at_once/1]).
-include("check.hrl").

all() ->
    [a_node_serves_epmd_where_none_answers, erlang_nodes_register_and_find_each_other, the_epmd_program_lists_them,
     a_name_is_unregistered_when_its_node_ends, a_name_in_use_is_refused, each_registration_has_a_new_creation,
     a_lookup_tells_port_kind_and_versions, a_second_node_uses_it, kill_and_stop_are_refused,
     nonsense_closes_only_its_own_connection, control_characters_are_refused, many_registrations_at_once].

names() ->
    {ok, Names} = erl_epmd:names({127, 0, 0, 1}),
    lists:sort([N || {N, _} <- Names]).

port() -> list_to_integer(os:getenv("ERL_EPMD_PORT")).

%% One request by hand; the reply to its end.
request(Body) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, port(), [binary, {active, false}, {packet, raw}]),
    ok = gen_tcp:send(Socket, [<<(iolist_size(Body)):16>>, Body]),
    read(Socket, <<>>).

read(Socket, Read) ->
    case gen_tcp:recv(Socket, 0, 5000) of
        {ok, More} -> read(Socket, <<Read/binary, More/binary>>);
        {error, closed} -> Read;
        {error, Other} -> {Other, Read}
    end.

alive(Node) ->
    {echo, Node} ! {self(), there},
    ?got({echo, there}).

a_node_serves_epmd_where_none_answers(Config) ->
    Node = check:node_of(Config),
    ?eq("embedded", maps:get(epmd, Config)),
    %% The tester registered there when it started.
    ?eq(lists:sort(["rust", "tester"]), names()),
    ?eq(pong, net_adm:ping(Node)),
    alive(Node).

erlang_nodes_register_and_find_each_other(_) ->
    Cookie = atom_to_list(erlang:get_cookie()),
    {ok, _} = check:ask(["beam", "one", "one@localhost", Cookie]),
    {ok, _} = check:ask(["beam", "two", "two@localhost", Cookie, "-hidden"]),
    ?eq(pong, net_adm:ping('one@localhost')),
    ?eq(pong, rpc:call('one@localhost', net_adm, ping, ['two@localhost'])),
    ?eq(["one", "rust", "tester", "two"], names()),
    ?match({ok, [_ | _]}, rpc:call('two@localhost', net_adm, names, [])).

the_epmd_program_lists_them(_) ->
    Listed = os:cmd("epmd -names"),
    ?match({match, _}, re:run(Listed, "name rust at port [0-9]+")),
    ?match({match, _}, re:run(Listed, "name tester at port [0-9]+")),
    ?match({match, _}, re:run(Listed, "up and running on port " ++ os:getenv("ERL_EPMD_PORT"))).

a_name_is_unregistered_when_its_node_ends(_) ->
    {ok, _} = check:ask(["kill", "one"]),
    ?soon(not lists:member("one", names())),
    ?eq(noport, erl_epmd:port_please("one", {127, 0, 0, 1})).

a_name_in_use_is_refused(_) ->
    ?match({error, _}, check:ask(["beam", "double", "two@localhost", "x"])),
    ?eq(pong, net_adm:ping('two@localhost')),
    ?match({ended, 1, _}, check:start("sidecar", "double", ["--sname", "two@localhost", "--cookie", "x"])).

register_by_hand(Name, Versions) ->
    {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, port(), [binary, {active, false}]),
    Body = <<120, 4711:16, 72, 0, Versions/binary, (byte_size(Name)):16, Name/binary, 3:16, "abc">>,
    ok = gen_tcp:send(Socket, <<(byte_size(Body)):16, Body/binary>>),
    {Socket, gen_tcp:recv(Socket, 0, 5000)}.

%% ALIVE2_X_RESP, 32 bits, for those who speak version 6.
each_registration_has_a_new_creation(_) ->
    Creations = [begin
                     {Socket, {ok, <<118, 0, Creation:32>>}} = register_by_hand(<<"fleeting">>, <<6:16, 5:16>>),
                     ?eq(true, lists:member("fleeting", names())),
                     gen_tcp:close(Socket),
                     ?soon(not lists:member("fleeting", names())),
                     Creation
                 end || _ <- lists:seq(1, 20)],
    ?eq(20, length(lists:usort(Creations))),
    ?eq([], [C || C <- Creations, C < 4]),
    %% An Erlang node takes its creation from there.
    Own = [begin
               Cookie = atom_to_list(erlang:get_cookie()),
               {ok, _} = check:ask(["beam", "brief", "brief@localhost", Cookie]),
               C = rpc:call('brief@localhost', erlang, system_info, [creation]),
               {ok, _} = check:ask(["kill", "brief"]),
               ?soon(not lists:member("brief", names())),
               ?soon(not lists:member('brief@localhost', nodes(connected))),
               C
           end || _ <- [1, 2]],
    ?eq(2, length(lists:usort(Own))).

a_lookup_tells_port_kind_and_versions(_) ->
    {Socket, {ok, <<118, 0, _:32>>}} = register_by_hand(<<"handmade">>, <<6:16, 5:16>>),
    ?match(<<119, 0, 4711:16, 72, 0, 6:16, 5:16, 8:16, "handmade", _/binary>>, request(<<"zhandmade">>)),
    ?match(<<119, 1>>, request(<<"znosuch">>)),
    ?match({port, 4711, 6}, erl_epmd:port_please("handmade", {127, 0, 0, 1})),
    gen_tcp:close(Socket),
    ?soon(not lists:member("handmade", names())).

a_second_node_uses_it(_) ->
    Cookie = atom_to_list(erlang:get_cookie()),
    {ready, Second, _, "external", _} = check:start("sidecar", "second", ["--sname", "second@localhost", "--cookie", Cookie]),
    alive(Second),
    ?eq(true, lists:member("second", names())),
    ?match({ended, 1, _}, check:start("sidecar", "third", ["--sname", "third@localhost", "--epmd", "embedded", "--cookie", Cookie])),
    {ok, _} = check:ask(["signal", "second", "TERM"]),
    ?eq({ok, "0"}, check:ask(["wait", "second"])),
    ?eq(false, lists:member("second", names())).

%% The C epmd obeys both from the machine itself when it has been told to; ours never does.
kill_and_stop_are_refused(#{own := "false"}) -> check:skip("another program's epmd may obey", []);
kill_and_stop_are_refused(Config) ->
    ?eq(false, request(<<"k">>) =:= <<"OK">>),
    ?eq(false, request(<<"stwo">>) =:= <<"STOPPED">>),
    ?eq(true, lists:member("two", names())),
    alive(check:node_of(Config)).

nonsense_closes_only_its_own_connection(_) ->
    [begin
         Reply = request(Body),
         is_binary(Reply) orelse check:fail(?LINE, "~0p is not answered by an end: ~0p", [Body, Reply])
     end || Body <- [<<>>, <<0>>, <<255, 255>>, <<"x">>, <<"x", 1:16>>, <<"x", 1:16, 72, 0, 6:16, 5:16, 500:16, "a">>,
                     <<"z">>, <<"n", "trailing">>, rand:bytes(300), binary:copy(<<"z">>, 60000)]],
    ?eq(true, lists:member("tester", names())).

%% The C epmd takes a name with a line break and so forges lines of its list.
control_characters_are_refused(#{own := "false"}) -> check:skip("another program's epmd takes them", []);
control_characters_are_refused(_) ->
    [begin
         {Socket, Reply} = register_by_hand(Name, <<6:16, 5:16>>),
         case Reply of
             {ok, <<118, 0, _/binary>>} -> check:fail(?LINE, "the name ~0p was registered", [Name]);
             _ -> gen_tcp:close(Socket)
         end
     end || Name <- [<<"a\nname b at port 1">>, <<0>>, <<"a\e[2J">>, <<"tab\t">>, <<>>, <<"with@host">>]],
    ?eq(lists:sort(["rust", "tester", "two"]), names()).

many_registrations_at_once(_) ->
    Held = [{Name, register_by_hand(Name, <<6:16, 5:16>>)}
            || N <- lists:seq(1, 200), Name <- [<<"many", (integer_to_binary(N))/binary>>]],
    [?match({_, {_, {ok, <<118, 0, _:32>>}}}, H) || H <- Held],
    ?eq(200, length([N || "many" ++ _ = N <- names()])),
    [gen_tcp:close(Socket) || {_, {Socket, _}} <- Held],
    ?soon([] =:= [N || "many" ++ _ = N <- names()]).
