%% A puppet that is a process of this very node: what the BEAM itself does with a command, to compare with.
-module(own_puppet).
-export([start/1, init/1]).

start(Owner) -> spawn(?MODULE, init, [Owner]).

init(Owner) ->
    receive
        {puppet, From, Tag, Command} -> obey(Command, From, fun(Result) -> From ! {Tag, Result} end);
        Other -> is_pid(Owner) andalso (Owner ! {event, self(), Other})
    end,
    init(Owner).

obey({exit, Reason}, _, _) -> exit(Reason);
obey({panic, Text}, _, _) -> exit({panic, Text});
obey(spawn, Owner, Reply) -> Reply(spawn(?MODULE, init, [Owner]));
obey(spawn_link, Owner, Reply) -> Reply(spawn_link(?MODULE, init, [Owner]));
obey(spawn_monitor, Owner, Reply) -> Reply(spawn_monitor(?MODULE, init, [Owner]));
obey(Command, _, Reply) -> Reply(result(Command)).

result(self) -> self();
result(node) -> node();
result({send, To, Message}) -> try To ! Message catch error:badarg -> ignored end, ok;
result({cast, To, Request}) -> gen_server:cast(To, Request);
result({exit, Pid, Reason}) -> exit(Pid, Reason);
%% link/1 of a dead process here raises for a caller that does not trap exits; elsewhere the signal ends it.
result({link, Pid}) -> try link(Pid) catch error:noproc -> exit(noproc) end;
result({link, Pid, Options}) -> apply(erlang, link, [Pid, Options]);
result(links) -> element(2, process_info(self(), links));
result({send_priority, To, Message}) -> erlang:send(To, Message, [priority]);
result({exit_priority, To, Reason}) -> apply(erlang, exit, [To, Reason, [priority]]);
result({unlink, Pid}) -> unlink(Pid);
result({trap_exit, Flag}) -> process_flag(trap_exit, Flag);
result({monitor, What}) -> monitor(process, What);
result({monitor, What, Options}) -> monitor(process, What, Options);
result({demonitor, Ref, Options}) -> demonitor(Ref, Options);
result(alias) -> alias();
result({alias, Options}) -> alias(Options);
result({unalias, Ref}) -> unalias(Ref);
result({register, Name, Pid}) -> try register(Name, Pid) catch error:badarg -> {error, badarg} end;
result({unregister, Name}) -> try unregister(Name) catch error:badarg -> {error, badarg} end;
result({whereis, Name}) -> whereis(Name);
result(group_leader) -> group_leader();
result({group_leader, Leader, Pid}) -> group_leader(Leader, Pid);
result({call, To, Request, Timeout}) ->
    try {ok, gen_server:call(To, Request, Timeout)}
    catch exit:{Reason, {gen_server, call, _}} -> {error, Reason}
    end;
result({await, Message, Ms}) -> receive Message -> ok after Ms -> timeout end;
result({send_after, Ms, To, Message}) -> erlang:send_after(Ms, To, Message);
result({cancel_timer, Ref}) -> erlang:cancel_timer(Ref);
result({mailbox_len, Pid}) ->
    case process_info(Pid, message_queue_len) of
        {message_queue_len, Length} -> Length;
        undefined -> 0
    end;
result({ping, Node}) -> net_adm:ping(Node);
result({monitor_node, Node, Flag}) -> erlang:monitor_node(Node, Flag);
result(Other) -> {error, {bad_command, Other}}.
