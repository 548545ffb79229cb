/*
 * A training job in C++: owners that free what they own, and several threads that ask at once, each with objects of
 * its own. Only apply touches the process's environment, so it is done before the threads start.
 */
#include <itexclient.h>

#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

struct Free {
    void operator()(itex_request *request) const
    {
        itex_request_free(request);
    }
    void operator()(itex_decision *decision) const
    {
        itex_decision_free(decision);
    }
};
using Request = std::unique_ptr<itex_request, Free>;
using Decision = std::unique_ptr<itex_decision, Free>;

Request make_request(const char *keras)
{
    Request request(itex_request_new());

    if (!request || itex_request_set_fact(request.get(), "keras", keras) != ITEX_OK)
        throw std::bad_alloc();
    return request;
}

/* Empty where there is no service to ask, and the job goes on as it is. */
Decision resolve(itex_request *request)
{
    itex_decision *decision = nullptr;
    itex_status status = itex_resolve(request, &decision);

    if (status != ITEX_OK && !itex_error_is_unavailable(status))
        throw std::runtime_error(itex_request_error(request));
    if (status != ITEX_OK)
        std::cerr << "job: going on as I am: " << itex_request_error(request) << "\n";
    return Decision(decision);
}

std::string ask(const char *keras)
{
    std::ostringstream text;
    Request request = make_request(keras);
    Decision decision = resolve(request.get());
    const char *mode = decision ? itex_decision_mode(decision.get()) : nullptr;

    text << "keras " << keras << ": " << (mode ? mode : "unmanaged") << "\n";
    return text.str();
}

void run()
{
    Request request = make_request("0");
    Decision decision = resolve(request.get());

    if (decision && itex_decision_apply(decision.get()) != ITEX_OK)
        throw std::runtime_error(itex_decision_error(decision.get()));
    if (decision)
        itex_decision_accept(decision.get());

    const std::vector<const char *> versions = {"0", "2", "3", "0"};
    std::vector<std::string> answers(versions.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < versions.size(); i++)
        threads.emplace_back([&, i] { answers[i] = ask(versions[i]); });
    for (std::thread &thread : threads)
        thread.join();
    for (const std::string &answer : answers)
        std::cout << answer;
}

} // namespace

int main()
{
    try {
        run();
    } catch (const std::exception &error) {
        std::cerr << "job: " << error.what() << "\n";
        return 1;
    }
}
