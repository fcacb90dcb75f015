%% What may stand in epmd's place (`-epmd_module static_epmd`): every node listens on the port that its name says, `p40123@127.0.0.1`,
%% and nobody is asked.
-module(static_epmd).
-export([start_link/0, register_node/2, register_node/3, address_please/3, port_please/2, port_please/3, listen_port_please/2, names/1]).

start_link() -> ignore.

register_node(Name, Port) -> register_node(Name, Port, inet).
register_node(_, _, _) -> {ok, 1 + erlang:phash2(make_ref(), 1 bsl 30)}.

port_please(Name, Host) -> port_please(Name, Host, infinity).
port_please("p" ++ Port, _, _) -> {port, list_to_integer(Port), 6};
port_please(Name, _, _) when is_atom(Name) -> port_please(atom_to_list(Name), none, none);
port_please(_, _, _) -> noport.

listen_port_please("p" ++ Port, _) -> {ok, list_to_integer(Port)};
listen_port_please(Name, Host) when is_atom(Name) -> listen_port_please(atom_to_list(Name), Host);
listen_port_please(_, _) -> {ok, 0}.

address_please("p" ++ Port, Host, Family) ->
    {ok, Address} = inet:getaddr(Host, Family),
    {ok, Address, list_to_integer(Port), 6};
address_please(_, _, _) -> {error, noport}.

names(_) -> {error, address}.
