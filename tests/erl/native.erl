%% Native records (OTP 29): values that only that release's compiler can write.
-module(native).
-export([values/0]).

-if(?OTP_RELEASE >= 29).
-record #point{x = 0, y = 0}.
-record #named{first :: term(), second = [1, {two, <<"3">>}]}.
-export_record([point]).

values() ->
    [#point{}, #point{x = 1, y = -1 bsl 70}, #named{first = #point{x = self()}}, [#point{y = Y} || Y <- lists:seq(1, 300)],
     #{#point{} => #named{first = "text"}}].
-else.
values() -> [].
-endif.
