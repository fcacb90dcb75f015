# The sidecar as Elixir sees it: GenServer, send, Process.monitor, Node. Prints what tests/src/suite.rs reads.
defmodule Case do
  def run(name, fun) do
    try do
      fun.()
      IO.puts("@ok #{name}")
    rescue
      error -> IO.puts("@FAILED #{name}: #{Exception.message(error) |> String.replace("\n", " ")}")
    catch
      kind, reason -> IO.puts("@FAILED #{name}: #{inspect({kind, reason})}")
    end
  end

  # In a function of its own: the compiler of OTP 25 trips over a reference used after a try.
  def down(ref, object, reason) do
    receive do
      {:DOWN, ^ref, :process, ^object, ^reason} -> :ok
    after
      5000 -> raise "no DOWN"
    end
  end

  def undef(ref, pid) do
    receive do
      {:DOWN, ^ref, :process, ^pid, {:undef, _}} -> :ok
    after
      5000 -> raise "no DOWN"
    end
  end

  def exited(pid, reason) do
    receive do
      {:EXIT, ^pid, ^reason} -> :ok
    after
      5000 -> raise "no EXIT"
    end
  end

  def equal(left, right) do
    if left !== right, do: raise("expected #{inspect(left)}, got #{inspect(right)}")
  end
end

[name] = System.argv()
node = String.to_atom(name)
counter = {:counter, node}

Case.run("node_connect_and_ping", fn ->
  Case.equal(true, Node.connect(node))
  Case.equal(:pong, Node.ping(node))
  Case.equal(true, node in Node.list(:hidden))
  Case.equal(false, node in Node.list())
end)

Case.run("genserver_call_and_cast", fn ->
  Case.equal(:ok, GenServer.cast(counter, {:set, 40}))
  Case.equal(42, GenServer.call(counter, {:add, 2}))
  send(counter, :tick)
  Case.equal(43, GenServer.call(counter, :get))
end)

Case.run("genserver_call_times_out", fn ->
  try do
    GenServer.call(counter, {:sleep, 400}, 50)
    raise "no time-out"
  catch
    :exit, {:timeout, {GenServer, :call, [^counter, {:sleep, 400}, 50]}} -> :ok
  end

  receive do
    other -> raise "a late reply came: #{inspect(other)}"
  after
    700 -> :ok
  end
end)

Case.run("an_unknown_name_is_noproc", fn ->
  try do
    GenServer.call({:nosuch, node}, :get)
    raise "an answer from nobody"
  catch
    :exit, {:noproc, {GenServer, :call, _}} -> :ok
  end
end)

Case.run("echo_gives_elixirs_terms_back", fn ->
  terms = [
    nil,
    :atom,
    "größe ∀",
    'charlist',
    %{"key" => [1, 2.5], atom: {:tuple, nil}},
    1..10,
    ~D[2026-01-02],
    MapSet.new([1, 2]),
    <<1::3>>,
    [a: 1, b: 2],
    &Enum.count/1,
    Case,
    make_ref(),
    self(),
    %RuntimeError{message: "text"}
  ]

  for term <- terms ++ [terms] do
    send({:echo, node}, {self(), term})

    receive do
      {:echo, back} -> Case.equal(term, back)
    after
      5000 -> raise "no echo of #{inspect(term)}"
    end
  end

  fun = fn x -> {x, terms} end
  send({:echo, node}, {self(), fun})

  receive do
    {:echo, back} -> Case.equal({1, terms}, back.(1))
  after
    5000 -> raise "no echo of a function"
  end
end)

Case.run("a_crash_is_an_exit_and_a_down", fn ->
  ref = Process.monitor(counter)

  try do
    GenServer.call(counter, :crash)
    raise "no crash"
  catch
    :exit, {{:crash, :requested}, {GenServer, :call, _}} -> :ok
  end

  Case.down(ref, counter, {:crash, :requested})
end)

Case.run("the_supervisor_has_brought_it_back", fn ->
  answer =
    Enum.find_value(1..100, fn _ ->
      try do
        GenServer.call(counter, :get)
      catch
        :exit, {:noproc, _} ->
          Process.sleep(20)
          nil
      end
    end)

  Case.equal(0, answer)
end)

Case.run("erpc_and_rpc_reach_exported_functions", fn ->
  Case.equal(3, :erpc.call(node, :math, :add, [1, 2]))
  Case.equal("GRÖSSER", :erpc.call(node, :text, :upcase, ["größer"]))
  Case.equal(3, :rpc.call(node, :math, :add, [1, 2]))
  Case.equal(3, :rpc.block_call(node, :math, :add, [1, 2]))
  Case.equal({[3], []}, :rpc.multicall([node], :math, :add, [1, 2]))
  Case.equal([ok: 3, ok: 3], :erpc.multicall([node, node], :math, :add, [1, 2]))
  Case.equal(:ok, :erpc.cast(node, :math, :add, [1, 2]))
  Case.equal(5, :erpc.receive_response(:erpc.send_request(node, :math, :add, [2, 3]), 5000))

  try do
    :erpc.call(node, :math, :fail, [%{reason: "elixir"}])
    raise "no failure"
  rescue
    error in ErlangError ->
      {:exception, %{reason: "elixir"}, [{:math, :fail, _, _} | _]} = error.original
  end

  try do
    :erpc.call(node, String, :upcase, ["not exported"])
    raise "no failure"
  rescue
    error in ErlangError ->
      {:exception, :undef, [{String, :upcase, ["not exported"], _} | _]} = error.original
  end

  # A time-out, in the words of Elixir.
  try do
    :erpc.call(node, :slow, :sleep, [5000], 50)
    raise "no time-out"
  rescue
    error in ErlangError -> Case.equal({:erpc, :timeout}, error.original)
  end
end)

Case.run("node_spawn_starts_exported_functions", fn ->
  pid = Node.spawn(node, :slow, :sleep, [100])
  Case.equal(node, :erlang.node(pid))
  Case.down(Process.monitor(pid), pid, :normal)
  Process.flag(:trap_exit, true)
  linked = Node.spawn_link(node, :slow, :sleep, [10])
  Case.exited(linked, :normal)
  {monitored, ref} = Node.spawn_monitor(node, :slow, :sleep, [10])
  Case.down(ref, monitored, :normal)

  # A function of Elixir's own cannot run there, and whoever waits for it is told.
  {monitored, ref} = Node.spawn_monitor(node, fn -> :ok end)

  Case.undef(ref, monitored)
end)

IO.puts("@done 9")
