# The Elixir half of pubsub.rs.
#
#     elixir --sname phoenix@localhost --cookie secret pubsub.exs rust@localhost
unless Code.ensure_loaded?(Phoenix.PubSub), do: Mix.install([:phoenix_pubsub])

[rust] = System.argv() |> Enum.map(&String.to_atom/1)
{:ok, _} = Supervisor.start_link([{Phoenix.PubSub, name: Demo.PubSub}], strategy: :one_for_one)
:ok = Phoenix.PubSub.subscribe(Demo.PubSub, "receipts")
true = Node.connect(rust)

# The Rust node is hidden: nobody but its pg scope tells of it, as soon as the two are connected.
workers = fn -> :pg.get_members(Phoenix.PubSub, Demo.PubSub.Adapter) |> Enum.map(&node/1) end
Stream.repeatedly(fn -> Process.sleep(20) end) |> Enum.find(fn _ -> rust in workers.() end)

for number <- 1..3 do
  :ok = Phoenix.PubSub.broadcast(Demo.PubSub, "gossip", :not_for_rust)
  :ok = Phoenix.PubSub.broadcast(Demo.PubSub, "orders", {:order, number})

  receive do
    {:receipt, {:order, ^number}, ^rust} -> IO.puts("order #{number}: receipt of #{rust}")
  after
    5000 -> raise "no receipt of order #{number}"
  end
end
