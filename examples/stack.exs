# The Elixir half of stack.rs.
#
#     elixir --sname me stack.exs
[_, host] = node() |> Atom.to_string() |> String.split("@")
stack = {:stack, :"rust@#{host}"}

for element <- [:hello, %{name: "world"}, [1, 2, 3]], do: GenServer.cast(stack, {:push, element})
for _ <- 1..4, do: IO.inspect(GenServer.call(stack, :pop))

# A call it does not know ends it, and says so to who asked.
try do
  GenServer.call(stack, :no_such_call)
catch
  :exit, reason -> IO.inspect(reason, label: "exit")
end
