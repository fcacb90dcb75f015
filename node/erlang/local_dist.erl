%% Distribution over Unix sockets, for nodes on one machine: `erl -proto_dist local -no_epmd -sname me`.
%%
%% A node listens on the socket DIR/NAME@HOST and finds others there by their names: no port, no epmd. DIR is what
%% `-local_dist_dir DIR` says, else the environment variable LOCAL_DIST_DIR, else ~/.erlang.dist. It belongs to one user and
%% is open to nobody else; it is made if absent.
%%
%% A node that also talks to other machines names both: `-proto_dist local inet_tls`. Of these the first is used for the nodes
%% that have a socket in DIR, the second for all others.
%%
%% The handshake and everything after it is OTP's own (`dist_util`, and the driver behind `gen_tcp`). OTP 25 and later.
-module(local_dist).

%% What net_kernel calls.
-export([childspecs/0, select/1, address/0, is_node_name/1, listen/2, accept/1, accept_connection/5, setup/5, close/1,
         setopts/2, getopts/2]).

-include_lib("kernel/include/file.hrl").
-include_lib("kernel/include/net_address.hrl").
-include_lib("kernel/include/dist.hrl").
-include_lib("kernel/include/dist_util.hrl").

%% A Unix socket has 208 KiB by default and does not adapt them.
-define(BUFFERS, [{sndbuf, 524288}, {recbuf, 524288}]).
%% To be the one who takes a name, every 10 ms.
-define(ATTEMPTS, 200).
-define(SPAWN_OPTIONS, [link, {priority, max}]).

childspecs() -> {ok, []}.

%% Whether this is the way to Node: whether it has a socket here.
select(Node) ->
    case path(atom_to_list(Node)) of
        {ok, Path} -> is_socket(Path);
        {error, _} -> false
    end.

address() -> net_address([]).

is_node_name(Node) -> dist_util:is_node_name(Node).

net_address(Path) ->
    {ok, Host} = inet:gethostname(),
    #net_address{address = {local, Path}, host = Host, protocol = local, family = local}.

%% ---- where the sockets are

directory() ->
    case {init:get_argument(local_dist_dir), os:getenv("LOCAL_DIST_DIR")} of
        {{ok, [[Directory] | _]}, _} -> {ok, Directory};
        {_, Directory} when is_list(Directory), Directory =/= "" -> {ok, Directory};
        _ ->
            case init:get_argument(home) of
                {ok, [[Home] | _]} -> {ok, filename:join(Home, ".erlang.dist")};
                _ -> {error, no_directory_for_sockets}
            end
    end.

path(Name) ->
    case {directory(), lists:member($/, Name)} of
        {{ok, Directory}, false} -> {ok, filename:join(Directory, Name)};
        {_, true} -> {error, {no_file_name, Name}};
        {Error, _} -> Error
    end.

%% `prim_file`, here and below: net_kernel starts before the file server does. The type of a socket is `other`.
is_socket(Path) ->
    case prim_file:read_file_info(Path) of
        {ok, #file_info{type = Type}} -> Type =:= other;
        {error, _} -> false
    end.

%% Made, or found to be ours alone: whoever can write there can be any node. It has its mode before it has its name, for who
%% starts at the same time.
own_directory(Directory) ->
    case prim_file:read_file_info(Directory) of
        {ok, _} -> found(Directory);
        {error, enoent} ->
            New = Directory ++ own(),
            case prim_file:make_dir(New) of
                ok ->
                    ok = change_mode(New, 8#700),
                    case prim_file:rename(New, Directory) of
                        ok -> {ok, Directory};
                        {error, _} -> _ = prim_file:del_dir(New), found(Directory)
                    end;
                {error, Reason} -> {error, {Reason, Directory}}
            end;
        {error, Reason} -> {error, {Reason, Directory}}
    end.

found(Directory) ->
    case is_ours_alone(Directory) of
        ok -> {ok, Directory};
        Error -> Error
    end.

is_ours_alone(Directory) ->
    case prim_file:read_file_info(Directory) of
        {ok, #file_info{type = directory, mode = Mode}} ->
            %% Only the owner may set the mode, also to what it is.
            case {Mode band 8#077, change_mode(Directory, Mode band 8#7777)} of
                {0, ok} -> ok;
                {0, _} -> {error, {belongs_to_another_user, Directory}};
                _ -> {error, {open_to_others, Directory, "chmod 700 it"}}
            end;
        {ok, _} -> {error, {no_directory, Directory}};
        {error, Reason} -> {error, {Reason, Directory}}
    end.

change_mode(Path, Mode) -> prim_file:write_file_info(Path, #file_info{mode = Mode}).

%% ---- listening

%% The socket is bound under a name of its own and moved to the node's, which replaces what a killed node left there in one step.
%% Between the look whether somebody answers there and the move nobody else may do the same: that is what `.NAME` is for, a hard
%% link to the socket of whoever is at it. A link is made by one or fails; and its owner lives if it answers.
listen(Name, Host) ->
    Full = atom_to_list(Name) ++ "@" ++ Host,
    case in_turn([fun directory/0, fun own_directory/1, fun(Directory) -> open(Directory, own()) end]) of
        {ok, {Socket, Own, Directory}} ->
            Path = filename:join(Directory, Full),
            case claim(Own, filename:join(Directory, "." ++ Full), Path, ?ATTEMPTS) of
                ok -> put({?MODULE, Socket}, {Path, inode(Path)}), {ok, {Socket, net_address(Path), creation()}};
                Error -> gen_tcp:close(Socket), _ = prim_file:delete(Own), Error
            end;
        Error -> Error
    end.

in_turn([First | Rest]) -> lists:foldl(fun(Next, {ok, Value}) -> Next(Value); (_, Error) -> Error end, First(), Rest).

%% A name of its own for each life of each node, shorter than most nodes'.
own() -> "." ++ string:lowercase(integer_to_list(rand:uniform(1 bsl 32) - 1, 16)) ++ os:getpid().

open(Directory, Own) ->
    Path = filename:join(Directory, Own),
    %% The distribution needs a port: not the other backend, should it be the default.
    Options = [{inet_backend, inet}, {ifaddr, {local, Path}}, {active, false}, {packet, 2}, {backlog, 128} | ?BUFFERS],
    case gen_tcp:listen(0, Options) of
        {ok, Socket} -> ok = change_mode(Path, 8#600), {ok, {Socket, Path, Directory}};
        Error -> Error
    end.

claim(_, Claim, _, 0) -> {error, {about_to_be_taken, Claim}};
claim(Own, Claim, Path, Attempts) ->
    case prim_file:make_link(Own, Claim) of
        ok ->
            Result = case answers(Path) of
                         false -> prim_file:rename(Own, Path);
                         true -> {error, duplicate_name}
                     end,
            _ = prim_file:delete(Claim),
            Result;
        {error, eexist} ->
            case answers(Claim) of
                %% Killed in those microseconds.
                false -> prim_file:delete(Claim);
                true -> timer:sleep(10)
            end,
            claim(Own, Claim, Path, Attempts - 1);
        Error -> Error
    end.

%% Nobody does where there is nothing, nor on what a killed node left behind. What is no socket is not ours to replace.
answers(Path) ->
    case gen_tcp:connect({local, Path}, 0, [{inet_backend, inet}]) of
        {ok, Socket} -> gen_tcp:close(Socket), true;
        {error, enoent} -> false;
        {error, econnrefused} -> not is_socket(Path);
        {error, _} -> true
    end.

%% What epmd would give: another number for each life of the node, over 3 as the first ones have another meaning.
creation() -> 3 + rand:uniform((1 bsl 32) - 4).

inode(Path) ->
    case prim_file:read_file_info(Path) of
        {ok, #file_info{major_device = Device, inode = Inode}} -> {Device, Inode};
        Error -> Error
    end.

%% By the process that called listen. Somebody who took our place, as after a lost directory, keeps it.
close(Socket) ->
    gen_tcp:close(Socket),
    case erase({?MODULE, Socket}) of
        {Path, Inode} ->
            case inode(Path) of
                Inode -> _ = prim_file:delete(Path), ok;
                _ -> ok
            end;
        undefined -> ok
    end.

%% ---- being called

accept(Listen) ->
    Kernel = self(),
    spawn_opt(fun() -> accept_loop(Kernel, Listen) end, ?SPAWN_OPTIONS).

accept_loop(Kernel, Listen) ->
    case gen_tcp:accept(Listen) of
        {ok, Socket} ->
            Kernel ! {accept, self(), Socket, local, local},
            receive
                {Kernel, controller, Pid} ->
                    _ = gen_tcp:controlling_process(Socket, Pid),
                    Pid ! {self(), controller};
                {Kernel, unsupported_protocol} ->
                    exit(unsupported_protocol)
            end;
        %% Descriptors come back when connections end.
        {error, Full} when Full =:= emfile; Full =:= enfile; Full =:= system_limit ->
            timer:sleep(100);
        Error ->
            exit(Error)
    end,
    accept_loop(Kernel, Listen).

accept_connection(Acceptor, Socket, MyNode, Allowed, SetupTime) ->
    Kernel = self(),
    spawn_opt(fun() ->
                      receive
                          {Acceptor, controller} ->
                              Timer = dist_util:start_timer(SetupTime),
                              Data = handshake(Kernel, Socket, MyNode, Timer, Allowed),
                              dist_util:handshake_other_started(Data)
                      end
              end, ?SPAWN_OPTIONS).

%% ---- calling

setup(Node, Type, MyNode, _LongOrShortNames, SetupTime) ->
    Kernel = self(),
    spawn_opt(fun() -> call(Kernel, Node, Type, MyNode, SetupTime) end, ?SPAWN_OPTIONS).

call(Kernel, Node, Type, MyNode, SetupTime) ->
    Timer = dist_util:start_timer(SetupTime),
    case connect(Node) of
        {ok, Socket} ->
            Data = handshake(Kernel, Socket, MyNode, Timer, undefined),
            dist_util:handshake_we_started(Data#hs_data{other_node = Node, other_version = ?ERL_DIST_VER_HIGH,
                                                        request_type = Type});
        Error ->
            ?shutdown2(Node, {connect_failed, Error})
    end.

connect(Node) ->
    Options = [{inet_backend, inet}, {active, false}, {packet, 2} | ?BUFFERS],
    case path(atom_to_list(Node)) of
        {ok, Path} ->
            case is_ours_alone(filename:dirname(Path)) of
                ok -> gen_tcp:connect({local, Path}, 0, Options);
                Error -> Error
            end;
        Error -> Error
    end.

%% ---- what dist_util does with a socket

handshake(Kernel, Socket, MyNode, Timer, Allowed) ->
    #hs_data{kernel_pid = Kernel, this_node = MyNode, socket = Socket, timer = Timer, this_flags = 0, allowed = Allowed,
             f_send = fun gen_tcp:send/2,
             f_recv = fun gen_tcp:recv/3,
             f_setopts_pre_nodeup = fun(S) -> inet:setopts(S, [{active, false}, {packet, 4}]) end,
             f_setopts_post_nodeup =
                 fun(S) -> inet:setopts(S, [{active, true}, {deliver, port}, {packet, 4}, binary]) end,
             f_getll = fun inet:getll/1,
             f_address = fun(_, _) -> net_address([]) end,
             mf_tick = fun tick/1,
             mf_getstat = fun getstat/1,
             mf_setopts = fun ?MODULE:setopts/2,
             mf_getopts = fun ?MODULE:getopts/2}.

%% An empty packet, also when the port is busy.
tick(Socket) ->
    case local_tcp:send(Socket, [], [force]) of
        {error, closed} -> self() ! {tcp_closed, Socket}, {error, closed};
        Result -> Result
    end.

getstat(Socket) ->
    case inet:getstat(Socket, [recv_cnt, send_cnt, send_pend]) of
        {ok, Counts} ->
            [Received, Sent, Pending] = [proplists:get_value(K, Counts, 0) || K <- [recv_cnt, send_cnt, send_pend]],
            {ok, Received, Sent, Pending};
        Error -> Error
    end.

%% The three that make a socket a connection between nodes stay as they are.
setopts(Socket, Options) ->
    case [Option || {Key, _} = Option <- Options, lists:member(Key, [active, deliver, packet])] of
        [] -> inet:setopts(Socket, Options);
        Bad -> {error, {badopts, Bad}}
    end.

getopts(Socket, Options) -> inet:getopts(Socket, Options).
