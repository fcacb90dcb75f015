# Runs examples/pubsub.exs against its Rust half: with the real Phoenix.PubSub if CNODE_PHOENIX_PUBSUB names a directory with its
# sources, else with what stands here, which sends and takes the same messages. Prints what tests/src/suite.rs reads.
case System.get_env("CNODE_PHOENIX_PUBSUB") do
  nil ->
    IO.puts("@skipped with_the_real_phoenix_pubsub: CNODE_PHOENIX_PUBSUB names no sources of it")

    defmodule Phoenix.PubSub do
      # Phoenix.PubSub 2.x with its default adapter, Phoenix.PubSub.PG2, as far as the example goes.
      use GenServer

      def start_link(name: name), do: GenServer.start_link(__MODULE__, name, name: adapter(name))

      def init(name) do
        {:ok, _} = Registry.start_link(keys: :duplicate, name: name)
        :ok = :pg.join(Phoenix.PubSub, adapter(name), self())
        {:ok, name}
      end

      def subscribe(name, topic) do
        {:ok, _} = Registry.register(name, topic, nil)
        :ok
      end

      def broadcast(name, topic, message) do
        for pid <- :pg.get_members(Phoenix.PubSub, adapter(name)), node(pid) != node() do
          send(pid, {:forward_to_local, topic, message, __MODULE__})
        end

        dispatch(name, topic, message)
      end

      def handle_info({:forward_to_local, topic, message, __MODULE__}, name) do
        dispatch(name, topic, message)
        {:noreply, name}
      end

      defp dispatch(name, topic, message) do
        Registry.dispatch(name, topic, fn entries -> for {pid, _} <- entries, do: send(pid, message) end)
      end

      defp adapter(name), do: Module.concat(name, "Adapter")
    end

  sources ->
    {:ok, _, _} = Kernel.ParallelCompiler.compile(Path.wildcard(Path.join(sources, "lib/**/*.ex")))
    IO.puts("@ok with_the_real_phoenix_pubsub")
end

{:ok, _} = :pg.start_link(Phoenix.PubSub)

try do
  Code.require_file("../../examples/pubsub.exs", __DIR__)
  IO.puts("@ok orders_are_answered_with_receipts")
rescue
  error -> IO.puts("@FAILED orders: #{Exception.message(error) |> String.replace("\n", " ")}")
end

IO.puts("@done 2")
